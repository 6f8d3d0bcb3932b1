SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BINDIR ?= bin
PREFIX ?= /usr/local
# The query runtime that the operator runs by default.
RUNTIME_IMAGE ?= ragservice-runtime:$(VERSION)
TOOLS := $(CURDIR)/bin/tools
# The operator's image that the manifests of a release name, and where they go.
OPERATOR_IMAGE ?= ragservice-operator:$(VERSION)
DIST ?= $(BINDIR)/dist
# The programs that make build builds.
PROGRAMS ?= ./cmd/...
# Without gRPC's tracing pages, which would link html/template: with that, the linker
# has to keep every exported method of every type. The runtime is 56 MB instead of 74.
TAGS := grpcnotrace
# Goroutines begin with the smallest stack and not with the average one (GODEBUG's
# adaptivestackstart, which //go:debug does not know): in a program with thousands of
# goroutines that need little beside thousands that need much, the average is too much.
# It is added to the settings that Go has for the program, which it would replace.
GODEBUG_DEFAULT = $(shell go list -f '{{with .DefaultGODEBUG}}{{.}},{{end}}' ./cmd/runtime)adaptivestackstart=0
LDFLAGS = -s -w -X runtime.godebugDefault=$(GODEBUG_DEFAULT) \
	-X main.version=$(VERSION) -X main.runtimeImage=$(RUNTIME_IMAGE) \
	-X ragops.dev/ragservice/ragctl/command.runtimeImage=$(RUNTIME_IMAGE)

CONTROLLER_GEN := $(TOOLS)/controller-gen
CRD_REF_DOCS := $(TOOLS)/crd-ref-docs
GOLANGCI_LINT := $(TOOLS)/golangci-lint
HELM := $(TOOLS)/helm

# Every module of this repository but those that only pin tools and binaries.
MODULES := $(shell git ls-files 'go.mod' '*/go.mod' | grep -vE '^hack/(tools|cluster/binaries)' | xargs -r -n1 dirname)

.PHONY: help
help: ## Show the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: ## Run the operator and a sample on a local one-node cluster and ask it questions.
	cd hack/cluster && go run ./demo

.PHONY: demo-down
demo-down: ## Stop the local cluster and remove all it made.
	cd hack/cluster && go run . down

##@ Build

.PHONY: build
build: ## Build the operator, the query runtime and ragctl as static binaries.
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(BINDIR)/ $(PROGRAMS)

.PHONY: install-ragctl
install-ragctl: ## Install ragctl, and as kubectl-rag the kubectl plugin, to PREFIX/bin.
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o '$(PREFIX)/bin/ragctl' ./cmd/ragctl
	ln -sf ragctl '$(PREFIX)/bin/kubectl-rag'
	ln -sf ragctl '$(PREFIX)/bin/kubectl_complete-rag'

.PHONY: generate
generate: $(CONTROLLER_GEN) $(CRD_REF_DOCS) ## Generate the CRD, RBAC, deepcopy functions, apply configurations, docs/reference.md and dist/.
	$(CONTROLLER_GEN) object crd:maxDescLen=1000 applyconfiguration paths=./api/... output:crd:dir=config/crd
	$(CONTROLLER_GEN) rbac:roleName=ragservice-operator paths=./controllers/ragservice/... output:rbac:dir=config/rbac
	$(CRD_REF_DOCS) --config hack/reference/config.yaml --templates-dir hack/reference/templates --source-path api/v1alpha1 \
		--renderer markdown --output-path docs/reference.md --log-level ERROR
	cd hack/dist && go run .

.PHONY: dist
dist: $(HELM) ## Make a release's install.yaml and packed chart: make dist VERSION=v1.2.3 OPERATOR_IMAGE=REPOSITORY:TAG.
	cd hack/dist && go run . --version $(VERSION) --image $(OPERATOR_IMAGE) --out $(abspath $(DIST))
	$(HELM) package $(DIST)/chart --destination $(DIST)

##@ Check

.PHONY: test
test: test-packages $(HELM) ## Run the unit tests and the API tests (real kube-apiserver, etcd, Redis, PostgreSQL) with the race detector.
	@export KUBEBUILDER_ASSETS=$$(cd hack/cluster && go run . assets); \
	for dir in $(filter-out . hack/e2e,$(MODULES)); do echo "test $$dir"; (cd $$dir && go test -timeout 30m ./...); done; \
	go test -race -timeout 30m ./...

.PHONY: test-packages
test-packages: # The servers that tests start for themselves.
	hack/ensure-packages promtool=prometheus redis-server=redis-server '/usr/lib/postgresql/*/bin/postgres=postgresql' node=nodejs npm=npm chromium=chromium
	$(MAKE) --no-print-directory $(patsubst %,hack/%/node_modules/.package-lock.json,pglite openai-client chromium)

hack/pglite/node_modules/.package-lock.json: hack/pglite/package-lock.json # PostgreSQL with pgvector.
	npm ci --prefix hack/pglite --ignore-scripts --no-audit --no-fund

hack/openai-client/node_modules/.package-lock.json: hack/openai-client/package-lock.json # The official OpenAI client.
	npm ci --prefix hack/openai-client --ignore-scripts --no-audit --no-fund

hack/chromium/node_modules/.package-lock.json: hack/chromium/package-lock.json # Opens HTML reports.
	npm ci --prefix hack/chromium --ignore-scripts --no-audit --no-fund

.PHONY: e2e
e2e: $(HELM) ## Run the end-to-end tests on the local cluster.
	hack/ensure-packages '/usr/lib/postgresql/*/bin/initdb=postgresql'
	cd hack/e2e && go test -count=1 -timeout 45m ./...

WEAVIATE := $(TOOLS)/weaviate-server

.PHONY: test-weaviate
test-weaviate: $(WEAVIATE) ## Run the conformance suite of vector stores against a real Weaviate, built first: minutes.
	go run ./hack/weaviate $(WEAVIATE) go test -count=1 -v -run '^TestWeaviateConforms$$' ./runtime/retrieve

$(WEAVIATE): hack/tools/weaviate/go.mod
	cd hack/tools/weaviate && CGO_ENABLED=0 go build -o $@ github.com/weaviate/weaviate/cmd/weaviate-server

FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## Run every fuzz target of the main module for FUZZTIME (1m), one after the other.
	@git grep -oE '^func Fuzz[A-Za-z]+' -- '*_test.go' ':!hack' | while IFS=: read -r file function; do \
		echo "fuzz $${function#func } of $$(dirname $$file)"; \
		go test ./$$(dirname $$file) -run '^$$' -fuzz "^$${function#func }$$" -fuzztime $(FUZZTIME); \
	done

.PHONY: perf
perf: ## Measure the query runtime against the floors of hack/perf/floors.yaml; WRITE=1 writes the figures down, ONLY=a,b measures some.
	hack/ensure-packages redis-server=redis-server
	go run ./hack/perf/floors -run '$(ONLY)' $(if $(WRITE),-write)

.PHONY: verify
verify: verify-generated fmt-check lint ## Check that generated files are current, and formatting and linters pass.
	@for dir in $(MODULES); do (cd $$dir && go mod tidy -diff >/dev/null) || { echo "$$dir: go.mod is not tidy: run go mod tidy there."; exit 1; }; done

.PHONY: verify-generated
verify-generated:
	@state() { git diff; git status --porcelain; }; before=$$(state); $(MAKE) --no-print-directory generate; \
	[[ "$$(state)" == "$$before" ]] || { git status --short; echo "Generated files were not current; now they are: commit them."; exit 1; }

.PHONY: fmt-check
fmt-check:
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); test -z "$$unformatted" || { echo "Run gofmt -w on:"; echo "$$unformatted"; exit 1; }

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters on every module.
	@for dir in $(MODULES); do echo "lint $$dir"; (cd $$dir && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yaml ./...); done

##@ Measure

BENCH ?= full

.PHONY: bench
bench: bench-packages ## Measure the runtime beside the baselines and write docs/benchmarks.md (BENCH=quick: into bin/bench, in 5 minutes).
	go build -o $(BINDIR)/bench-suite ./hack/perf/bench
	$(BINDIR)/bench-suite $(if $(filter quick,$(BENCH)),-quick)

.PHONY: bench-pages
bench-pages: ## Write docs/benchmarks.md anew from the results that are there.
	go run ./hack/perf/bench -render

PYTHON_PACKAGES := flask fastapi uvloop httptools redis hiredis httpx asyncpg psycopg2 requests

.PHONY: bench-packages
bench-packages:
	hack/ensure-packages taskset=util-linux redis-server=redis-server redis-benchmark=redis-tools '/usr/lib/postgresql/*/bin/postgres=postgresql' \
		/usr/bin/gunicorn=gunicorn /usr/bin/uvicorn=uvicorn $(foreach p,$(PYTHON_PACKAGES),/usr/lib/python3/dist-packages/$(p)/__init__.py=python3-$(p))

.PHONY: bench-scaling
bench-scaling: ## Compare scaling on queries in flight with scaling on CPU on the local cluster; print the table and draw the plots of docs/scaling.md.
	cd hack/e2e && go test -count=1 -timeout 30m -run '^TestScaling$$' . -comparison=$(CURDIR)/hack/perf/scaling/comparison.json
	go run ./hack/perf/scaling/draw hack/perf/scaling/comparison.json docs/images

.PHONY: bench-metrics-api
bench-metrics-api: ## Measure what the custom metrics API costs the operator with 100 services of 10 pods.
	CGO_ENABLED=0 go build -o $(BINDIR)/operator ./cmd/operator
	export KUBEBUILDER_ASSETS=$$(cd hack/cluster && go run . assets); \
	go run ./hack/perf/metricsapi -operator $(BINDIR)/operator -result hack/perf/metricsapi/result.json -page docs/operator.md

.PHONY: bench-controlplane
bench-controlplane: ## Measure what 200 and 1,000 RAGServices cost the operator and the API server, beside a bare client that applies the same.
	CGO_ENABLED=0 go build -o $(BINDIR)/operator ./cmd/operator
	export KUBEBUILDER_ASSETS=$$(cd hack/cluster && go run . assets); \
	go run ./hack/perf/controlplane -operator $(BINDIR)/operator -result hack/perf/controlplane/result.json -page docs/operator.md

##@ Tools

$(CONTROLLER_GEN): hack/tools/go.mod
	cd hack/tools && go build -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(CRD_REF_DOCS): hack/tools/reference/go.mod
	cd hack/tools/reference && go build -o $@ github.com/elastic/crd-ref-docs

$(HELM): hack/tools/helm/go.mod
	cd hack/tools/helm && go build -o $@ helm.sh/helm/v4/cmd/helm

$(GOLANGCI_LINT): hack/tools/lint/go.mod
	cd hack/tools/lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
