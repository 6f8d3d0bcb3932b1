# syntax=docker/dockerfile:1
# Two images from one build: --target operator and --target runtime. Both hold one
# static binary and nothing else; root certificates are linked in.
ARG GO_VERSION=1.26

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
# What the operator runs services with, unless told otherwise.
ARG RUNTIME_IMAGE=ragservice-runtime:$VERSION
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    make build VERSION=$VERSION RUNTIME_IMAGE=$RUNTIME_IMAGE BINDIR=/out

FROM scratch AS operator
COPY --from=build /out/operator /operator
USER 65532:65532
ENTRYPOINT ["/operator"]

FROM scratch AS runtime
COPY --from=build /out/runtime /runtime
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["/runtime"]
