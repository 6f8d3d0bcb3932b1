//go:build linux

package node

import (
	"context"
	"fmt"
	"io"

	"ragops.dev/ragservice/hack/cluster/internal/dump"
)

// Dump prints the objects of the cluster and the ends of the daemons' logs.
func (n *Node) Dump(ctx context.Context, w io.Writer) error {
	dump.Section(w, "daemons")
	if err := n.Status(ctx, w); err != nil {
		fmt.Fprintf(w, "(%v)\n", err)
	}
	kubectl, err := n.kubectl()
	if err != nil {
		return err
	}
	dump.Objects(ctx, kubectl, w)
	st, err := n.readState()
	if err != nil || st == nil {
		return err
	}
	daemons, err := n.daemons()
	if err != nil {
		return err
	}
	for _, d := range daemons {
		dump.Section(w, "the end of "+n.log(d.name))
		fmt.Fprintln(w, tailFile(n.log(d.name), 60))
	}
	return nil
}
