// Package provider chooses between the ways to run the cluster and finds what
// they need in the checkout. It runs nothing by itself.
package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/kind"
	"ragops.dev/ragservice/hack/cluster/internal/node"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// Cluster is a way to run the cluster.
type Cluster interface {
	// Up starts the cluster, or what of it does not run.
	Up(ctx context.Context) error
	// Down removes the cluster and all that it made on this machine.
	Down(ctx context.Context) error
	// Load gives the cluster the images of the archives.
	Load(ctx context.Context, archives ...string) error
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig() string
	// Status prints what runs. Its error says that something does not.
	Status(ctx context.Context, w io.Writer) error
	// Dump prints all that helps to find out what went wrong.
	Dump(ctx context.Context, w io.Writer) error
}

var (
	_ Cluster = (*node.Node)(nil)
	_ Cluster = (*kind.Cluster)(nil)
)

// The values of Options.Provider.
const (
	Auto = "auto"
	Kind = "kind"
	Node = "node"
)

// Options are what the caller may choose.
type Options struct {
	// Dir is the folder for the cluster's state; .cluster in the checkout
	// where it is empty.
	Dir string
	// Provider is Auto, Kind or Node. Auto means kind where Docker runs.
	Provider string
}

// Environment is a checkout and the folder of a cluster.
type Environment struct {
	// Repository is the top of the checkout.
	Repository string
	// Dir is the folder of the cluster's state, as an absolute path.
	Dir      string
	Builder  *binaries.Builder
	Progress *progress.Printer
	provider string
}

// NewEnvironment finds the checkout that the working directory is in.
func NewEnvironment(options Options) (*Environment, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	cache, err := binaries.CacheDir()
	if err != nil {
		return nil, err
	}
	dir := options.Dir
	if dir == "" {
		dir = filepath.Join(root, ".cluster")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	printer := progress.New(os.Stderr)
	return &Environment{
		Repository: root, Dir: dir, Progress: printer, provider: options.Provider,
		Builder: &binaries.Builder{Modules: filepath.Join(root, "hack", "cluster", "binaries"), Cache: cache, Progress: printer},
	}, nil
}

// Cluster chooses the provider. A folder that has a node keeps it, also where
// Docker was started since.
func (e *Environment) Cluster(ctx context.Context) (Cluster, error) {
	choice := e.provider
	if choice == Auto {
		choice = Node
		if _, err := os.Stat(filepath.Join(e.Dir, node.StateFile)); err != nil && kind.DockerRuns(ctx) {
			choice = Kind
		}
	}
	switch choice {
	case Kind:
		return &kind.Cluster{Dir: e.Dir, Builder: e.Builder, Progress: e.Progress}, nil
	case Node:
		sources := filepath.Join(e.Repository, "hack", "cluster")
		return &node.Node{Dir: e.Dir, Sources: sources, Builder: e.Builder, Progress: e.Progress}, nil
	default:
		return nil, fmt.Errorf("the provider is %q: it must be %s, %s or %s", choice, Auto, Kind, Node)
	}
}

// repository finds the top of the checkout from the working directory: the
// pinned modules and the sources of images are read from it.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "hack", "cluster", "binaries")); err == nil {
			return dir, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of RAGService: run this from the repository", start)
		}
	}
}
