// Package gitops holds the test in which Argo CD's own code judges whether what the
// operator and the API server make of manifests is drift. It is a module of its own,
// since that code comes with much of Kubernetes.
package gitops
