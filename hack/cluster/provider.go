package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/kind"
	"ragops.dev/ragservice/hack/cluster/internal/node"
)

// provider is a way to run the cluster.
type provider interface {
	Up(ctx context.Context) error
	Down(ctx context.Context) error
	Load(ctx context.Context, archives ...string) error
	Kubeconfig() string
	Status(ctx context.Context, w io.Writer) error
	Dump(ctx context.Context, w io.Writer) error
}

var (
	_ provider = (*node.Node)(nil)
	_ provider = (*kind.Cluster)(nil)
)

const (
	providerAuto = "auto"
	providerKind = "kind"
	providerNode = "node"
)

// cluster chooses the provider. A folder that has a node keeps it, also where
// Docker was started since.
func (o *options) cluster(ctx context.Context, root, dir string, builder *binaries.Builder) (provider, error) {
	choice := o.provider
	if choice == providerAuto {
		choice = providerNode
		if _, err := os.Stat(filepath.Join(dir, node.StateFile)); err != nil && kind.DockerRuns(ctx) {
			choice = providerKind
		}
	}
	switch choice {
	case providerKind:
		return &kind.Cluster{Dir: dir, Builder: builder, Progress: builder.Progress}, nil
	case providerNode:
		sources := filepath.Join(root, "hack", "cluster")
		return &node.Node{Dir: dir, Sources: sources, Builder: builder, Progress: builder.Progress}, nil
	default:
		return nil, fmt.Errorf("--provider is %q: it must be %s, %s or %s", choice, providerAuto, providerKind, providerNode)
	}
}
