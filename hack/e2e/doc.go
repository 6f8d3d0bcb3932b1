// Package e2e holds the tests of RAGService on a real node: the operator from
// the manifests that users install, on the cluster of hack/cluster. It has no
// code but its tests. They start the cluster, and remove it again unless it was
// up before; where one fails, the state of the cluster is printed.
package e2e
