//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/host"
	"ragops.dev/ragservice/hack/cluster/internal/images"
	"ragops.dev/ragservice/hack/cluster/internal/network"
	"ragops.dev/ragservice/hack/cluster/internal/process"
)

// stopGrace is for a daemon that is started anew.
const stopGrace = 5 * time.Second

// Up starts the node, or what of it does not run. After an earlier run that did
// not come to its end, all that it left is removed first.
func (n *Node) Up(ctx context.Context) error {
	if err := host.Check(); err != nil {
		return fmt.Errorf("this machine cannot host a node:\n%w", err)
	}
	if err := checkDir(n.Dir); err != nil {
		return err
	}
	if err := n.prepare(ctx); err != nil {
		return err
	}
	unlock, err := n.lock()
	if err != nil {
		return err
	}
	defer unlock()
	st, err := n.begin(ctx)
	if err != nil {
		return err
	}
	if err := n.writeConfig(); err != nil {
		return err
	}
	sysctls, err := readSysctls()
	if err != nil {
		return err
	}
	if err := network.SetUp(ctx, n.Dir, sysctls[host.IPForward] == "1"); err != nil {
		return err
	}
	daemons, err := n.daemons()
	if err != nil {
		return err
	}
	if err := n.startAll(ctx, st, daemons); err != nil {
		return err
	}
	st.Complete = true
	return n.writeState(st)
}

// prepare installs and builds what the node consists of.
func (n *Node) prepare(ctx context.Context) error {
	if err := host.Install(ctx, n.Progress, host.NodePackages...); err != nil {
		return err
	}
	runc, err := n.Builder.Path(binaries.Runc)
	if err != nil {
		return err
	}
	if _, err := os.Stat(runc); err != nil {
		if err := host.Install(ctx, n.Progress, host.CompilerPackages...); err != nil {
			return err
		}
	}
	return n.Builder.Ensure(ctx, binaries.Node()...)
}

// begin returns the state to go on from: that of a node which is up, or else a
// fresh one, on a machine where nothing of an earlier node is left.
func (n *Node) begin(ctx context.Context) (*state, error) {
	owner, err := network.Owner()
	if err != nil {
		return nil, err
	}
	if owner != "" && owner != n.Dir {
		return nil, fmt.Errorf("this machine already has a node, in %s, and can have one: remove that with `down --dir %s`, or use it with --dir %s",
			owner, owner, owner)
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	st, err := n.readState()
	if err != nil {
		return nil, err
	}
	if st != nil && st.Complete && st.BootID == boot {
		return st, nil
	}
	if st != nil || owner != "" {
		if err := n.Progress.Do("cleaning up after an earlier run", "", func() error { return n.clean(ctx, st) }); err != nil {
			return nil, err
		}
	}
	return n.fresh(ctx, boot)
}

func (n *Node) fresh(ctx context.Context, boot string) (*state, error) {
	if err := network.CheckFree(ctx); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(n.path("logs")); err != nil {
		return nil, err
	}
	for _, dir := range []string{"logs", "run", "images"} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(runtimeDir, 0o711); err != nil {
		return nil, err
	}
	if err := recordSysctls(); err != nil {
		return nil, err
	}
	st := &state{BootID: boot, Daemons: map[string]record{}}
	return st, errors.Join(n.writeState(st), n.writeCertificates())
}

func (n *Node) startAll(ctx context.Context, st *state, daemons []daemon) error {
	for _, d := range daemons {
		if d.name == "kubelet" {
			// The first pod would find no image to hold its namespaces.
			if err := n.importPause(ctx); err != nil {
				return err
			}
		}
		if d.addon {
			if err := n.applyManifests(ctx); err != nil {
				return err
			}
		}
		if err := n.Progress.Do("starting "+d.name, "", func() error { return n.ensureRunning(ctx, st, d) }); err != nil {
			return err
		}
	}
	return nil
}

// ensureRunning starts a daemon, unless it runs as it should, and waits until
// it is ready.
func (n *Node) ensureRunning(ctx context.Context, st *state, d daemon) error {
	path, err := n.Builder.Path(d.binary)
	if err != nil {
		return err
	}
	spec, err := d.spec(path)
	if err != nil {
		return err
	}
	var exited <-chan struct{}
	if known := st.Daemons[d.name]; !known.Running() || known.Spec != spec {
		if err := known.Stop(stopGrace); err != nil {
			return err
		}
		child, err := process.Start(path, d.args, n.environment(filepath.Dir(path)), n.log(d.name))
		if err != nil {
			return err
		}
		exited = child.Exited
		st.Daemons[d.name] = record{ID: child.ID, Spec: spec}
		if err := n.writeState(st); err != nil {
			return err
		}
	}
	if err := wait(ctx, d.within, exited, d.ready); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return fmt.Errorf("%s: %w\nthe end of %s:\n%s", d.name, err, n.log(d.name), tailFile(n.log(d.name), 20))
	}
	return nil
}

// marker is in the environment of every daemon and of what it starts, so that
// they are found also where the record was lost.
func (n *Node) marker() string { return "RAGSERVICE_CLUSTER=" + n.Dir }

func (n *Node) environment(binDir string) []string {
	return []string{n.marker(), "PATH=" + host.SearchPath(binDir), "HOME=" + n.Dir}
}

// importPause gives containerd the image that holds a pod's namespaces.
func (n *Node) importPause(ctx context.Context) error {
	archive := n.path("images", "pause.tar")
	if _, err := os.Stat(archive); err != nil {
		if err := images.GoProgram(ctx, n.Sources, "./images/pause", pauseImage, archive); err != nil {
			return err
		}
	}
	return n.Load(ctx, archive)
}

// applyManifests connects DNS and metrics, which run outside of any pod, to the
// Services that pods know them by.
func (n *Node) applyManifests(ctx context.Context) error {
	settings, err := n.settings()
	if err != nil {
		return err
	}
	var manifests strings.Builder
	for _, file := range []string{"manifests/dns.yaml", "manifests/metrics.yaml"} {
		content, err := render(file, settings)
		if err != nil {
			return err
		}
		fmt.Fprintf(&manifests, "---\n%s", content)
	}
	kubectl, err := n.kubectl()
	if err != nil {
		return err
	}
	return kubectl.Apply(ctx, manifests.String())
}

// tailFile is the end of a log, or why it cannot be read.
func tailFile(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
