//go:build !linux

// Package node runs a Kubernetes node as processes of this machine, which only
// Linux can do.
package node

import (
	"context"
	"errors"
	"io"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// StateFile is the name of the record below the state folder.
const StateFile = "state.json"

var errNotLinux = errors.New("only Linux can host a node itself: start Docker, and kind is used instead")

// Node refuses whatever is asked of it.
type Node struct {
	Dir      string
	Sources  string
	Builder  *binaries.Builder
	Progress *progress.Printer
}

func (*Node) Up(context.Context) error                { return errNotLinux }
func (*Node) Down(context.Context) error              { return errNotLinux }
func (*Node) Load(context.Context, ...string) error   { return errNotLinux }
func (*Node) Kubeconfig() string                      { return "" }
func (*Node) Status(context.Context, io.Writer) error { return errNotLinux }
func (*Node) Dump(context.Context, io.Writer) error   { return errNotLinux }
