// Package kubectl runs kubectl against the cluster, for what a person would use
// it for: to apply manifests and to look at objects.
package kubectl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Kubectl is a kubectl and the cluster that it talks to.
type Kubectl struct {
	Path       string
	Kubeconfig string
}

// Apply applies manifests on the server's side, under one owner.
func (k Kubectl) Apply(ctx context.Context, manifests string) error {
	_, err := k.run(ctx, manifests, "apply", "--server-side", "--force-conflicts", "--field-manager=ragservice-cluster", "--filename=-")
	return err
}

// Get returns what kubectl prints for the arguments.
func (k Kubectl) Get(ctx context.Context, args ...string) (string, error) {
	return k.run(ctx, "", args...)
}

func (k Kubectl) run(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, k.Path, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.Kubeconfig)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
