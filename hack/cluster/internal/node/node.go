//go:build linux

// Package node runs a Kubernetes node, and the control plane above it, as
// processes of this machine, and removes them again. All that it keeps is under
// one folder; it leaves everything alone that it did not start. There is one
// such node to a machine.
package node

import (
	"path/filepath"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/kubectl"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// name is the node's name to Kubernetes.
const name = "ragservice"

// Node is a node whose state is in one folder.
type Node struct {
	// Dir is the folder, as an absolute path.
	Dir string
	// Sources is the folder hack/cluster, from which images are built.
	Sources  string
	Builder  *binaries.Builder
	Progress *progress.Printer
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (n *Node) Kubeconfig() string { return filepath.Join(n.Dir, "kubeconfig") }

// path is below the state folder.
func (n *Node) path(elements ...string) string {
	return filepath.Join(append([]string{n.Dir}, elements...)...)
}

func (n *Node) log(daemon string) string { return n.path("logs", daemon+".log") }

func (n *Node) containerdSocket() string { return n.path("run", "containerd.sock") }

func (n *Node) kubectl() (kubectl.Kubectl, error) {
	path, err := n.Builder.Path(binaries.Kubectl)
	return kubectl.Kubectl{Path: path, Kubeconfig: n.Kubeconfig()}, err
}
