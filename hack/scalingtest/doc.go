// Package scalingtest holds what scales a RAGService on queries against a real
// Prometheus that scrapes the real query runtime: prometheus-adapter's own code reads
// the rules that are shipped, and the queries that KEDA is given are evaluated. It is
// a module of its own, so that prometheus-adapter is no dependency of RAGService.
package scalingtest
