//go:build linux

package node

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Status prints what runs, and returns an error where something does not.
func (n *Node) Status(ctx context.Context, w io.Writer) error {
	st, err := n.readState()
	if err != nil {
		return err
	}
	if st == nil {
		return fmt.Errorf("no node is recorded in %s: start one with `up`", n.Dir)
	}
	daemons, err := n.daemons()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DAEMON\tPID\tREADY\tLOG")
	broken := 0
	for _, d := range daemons {
		ready := "yes"
		known := st.Daemons[d.name]
		if !known.Running() {
			ready = "ended"
		} else if err := probeOnce(ctx, d.ready); err != nil {
			ready, _, _ = strings.Cut(err.Error(), "\n")
		}
		if ready != "yes" {
			broken++
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", d.name, known.PID, ready, n.log(d.name))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d daemons are not ready: `up` starts what has ended", broken, len(daemons))
	}
	return nil
}

func probeOnce(ctx context.Context, ready probe) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return ready(ctx)
}
