SHELL := /usr/bin/env bash -o pipefail
.DEFAULT_GOAL := help
LOCALBIN := $(CURDIR)/bin

.PHONY: help
help: ## Show the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-14s %s\n", $$1, $$2} /^##@/ {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ Build

.PHONY: generate
generate: $(LOCALBIN)/controller-gen ## Generate the CRD, deepcopy functions, apply configurations and RBAC.
	$(LOCALBIN)/controller-gen object crd:maxDescLen=1000 applyconfiguration paths=./api/... output:crd:dir=config/crd

$(LOCALBIN)/controller-gen: hack/tools/go.mod
	cd hack/tools && go build -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(LOCALBIN)/golangci-lint: hack/tools/lint/go.mod
	cd hack/tools/lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
