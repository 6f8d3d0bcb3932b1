// Package crd holds the CustomResourceDefinition of RAGService as it is installed.
package crd

import _ "embed" // for the definition below

// RAGServices is the definition, as YAML.
//
//go:embed rag.ragops.dev_ragservices.yaml
var RAGServices []byte
