//go:build linux

package node

import (
	"context"
	"fmt"
	"os/exec"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
)

// Load imports image archives, made by `docker save` or of the OCI layout, under
// the names that they carry.
func (n *Node) Load(ctx context.Context, archives ...string) error {
	ctr, err := n.Builder.Path(binaries.Ctr)
	if err != nil {
		return err
	}
	snapshotter, err := snapshotter(n.Dir)
	if err != nil {
		return err
	}
	for _, archive := range archives {
		cmd := exec.CommandContext(ctx, ctr, "--address", n.containerdSocket(), "--namespace", "k8s.io",
			"images", "import", "--snapshotter", snapshotter, archive)
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("import %s: %w\n%s", archive, err, output)
		}
	}
	return nil
}
