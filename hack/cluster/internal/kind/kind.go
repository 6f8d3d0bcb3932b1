// Package kind runs the cluster as a container of Docker's, with kind. It is the
// way for machines where Docker runs anyway and for those that are not Linux.
package kind

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/dump"
	"ragops.dev/ragservice/hack/cluster/internal/images"
	"ragops.dev/ragservice/hack/cluster/internal/kubectl"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// name is the cluster's name to kind.
const name = "ragservice"

const metricsImage = "localhost/ragservice-metrics-server:1"

var (
	//go:embed config.yaml
	config string
	//go:embed metrics.yaml
	metrics string
)

// Cluster is a kind cluster whose kubeconfig is in one folder.
type Cluster struct {
	// Dir is the folder, as an absolute path.
	Dir      string
	Builder  *binaries.Builder
	Progress *progress.Printer
}

// DockerRuns reports whether there is a Docker to talk to.
func DockerRuns(ctx context.Context) bool {
	return exec.CommandContext(ctx, "docker", "info").Run() == nil
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "kubeconfig") }

// Up creates the cluster, unless it is there, and adds the metrics API.
func (c *Cluster) Up(ctx context.Context) error {
	if err := c.Builder.Ensure(ctx, binaries.Kubectl, binaries.Kind, binaries.MetricsServer); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "images"), 0o755); err != nil {
		return err
	}
	present, err := c.present(ctx)
	if err != nil {
		return err
	}
	if !present {
		err := c.Progress.Do("creating the kind cluster", "a few minutes the first time", func() error {
			_, err := c.kind(ctx, config, "create", "cluster", "--name", name, "--config", "-", "--kubeconfig", c.Kubeconfig(), "--wait", "5m")
			return err
		})
		if err != nil {
			return err
		}
	}
	if _, err := c.kind(ctx, "", "export", "kubeconfig", "--name", name, "--kubeconfig", c.Kubeconfig()); err != nil {
		return err
	}
	return c.Progress.Do("starting metrics-server", "", func() error { return c.addMetrics(ctx) })
}

// addMetrics runs metrics-server as a pod, from an image of our own, so that only
// kind's node image has to be pulled.
func (c *Cluster) addMetrics(ctx context.Context) error {
	program, err := c.Builder.Path(binaries.MetricsServer)
	if err != nil {
		return err
	}
	archive := filepath.Join(c.Dir, "images", "metrics-server.tar")
	err = images.Write(images.Image{
		Reference:  metricsImage,
		Files:      []images.File{{Path: "/metrics-server", Source: program}, {Path: "/tmp/.keep"}},
		Entrypoint: []string{"/metrics-server"},
	}, archive)
	if err != nil {
		return err
	}
	if err := c.Load(ctx, archive); err != nil {
		return err
	}
	kubectl, err := c.kubectl()
	if err != nil {
		return err
	}
	if err := kubectl.Apply(ctx, strings.ReplaceAll(metrics, "IMAGE", metricsImage)); err != nil {
		return err
	}
	_, err = kubectl.Get(ctx, "wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=3m")
	return err
}

// Down deletes the cluster.
func (c *Cluster) Down(ctx context.Context) error {
	if err := c.Builder.Ensure(ctx, binaries.Kind); err != nil {
		return err
	}
	return c.Progress.Do("deleting the kind cluster", "", func() error {
		_, err := c.kind(ctx, "", "delete", "cluster", "--name", name, "--kubeconfig", c.Kubeconfig())
		return err
	})
}

// Load gives the node the images of the archives.
func (c *Cluster) Load(ctx context.Context, archives ...string) error {
	for _, archive := range archives {
		if _, err := c.kind(ctx, "", "load", "image-archive", archive, "--name", name); err != nil {
			return err
		}
	}
	return nil
}

// Status prints the nodes and what runs in kube-system.
func (c *Cluster) Status(ctx context.Context, w io.Writer) error {
	present, err := c.present(ctx)
	if err != nil {
		return err
	}
	if !present {
		return fmt.Errorf("there is no kind cluster %q: start one with `up`", name)
	}
	kubectl, err := c.kubectl()
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"get", "nodes"}, {"get", "pods", "--namespace=kube-system"}} {
		output, err := kubectl.Get(ctx, args...)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, output)
	}
	return nil
}

// Dump prints the objects of the cluster and says where kind put its logs.
func (c *Cluster) Dump(ctx context.Context, w io.Writer) error {
	kubectl, err := c.kubectl()
	if err != nil {
		return err
	}
	dump.Objects(ctx, kubectl, w)
	logs := filepath.Join(c.Dir, "logs")
	if _, err := c.kind(ctx, "", "export", "logs", logs, "--name", name); err != nil {
		return err
	}
	dump.Section(w, "the node's own logs are in "+logs)
	return nil
}

func (c *Cluster) present(ctx context.Context) (bool, error) {
	output, err := c.kind(ctx, "", "get", "clusters")
	return slices.Contains(strings.Fields(output), name), err
}

func (c *Cluster) kubectl() (kubectl.Kubectl, error) {
	path, err := c.Builder.Path(binaries.Kubectl)
	return kubectl.Kubectl{Path: path, Kubeconfig: c.Kubeconfig()}, err
}

func (c *Cluster) kind(ctx context.Context, input string, args ...string) (string, error) {
	path, err := c.Builder.Path(binaries.Kind)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kind %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.String(), nil
}
