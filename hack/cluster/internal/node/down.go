//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ragops.dev/ragservice/hack/cluster/internal/host"
	"ragops.dev/ragservice/hack/cluster/internal/network"
	"ragops.dev/ragservice/hack/cluster/internal/process"
)

// Down removes the node and all that it made on this machine, except its logs.
// It finds what a node left also where the state folder was deleted.
func (n *Node) Down(ctx context.Context) error {
	unlock, err := n.lock()
	if err != nil {
		return err
	}
	defer unlock()
	st, err := n.readState()
	if err != nil {
		return err
	}
	owner, err := network.Owner()
	if err != nil {
		return err
	}
	if st == nil && owner != n.Dir {
		n.Progress.Say("There is no node in %s.", n.Dir)
		return nil
	}
	return n.Progress.Do("removing the node", "", func() error { return n.clean(ctx, st) })
}

// clean removes the node, in an order in which it can be tried again after a
// failure. st is nil where there is no record.
func (n *Node) clean(ctx context.Context, st *state) error {
	// The ids of containers are known only from their folders.
	containers, err := n.containers()
	errs := []error{err}
	boot, err := bootID()
	errs = append(errs, err)
	if st != nil && st.BootID == boot {
		errs = append(errs, stopDaemons(st))
	}
	errs = append(errs, n.stopStrays(containers), unmountBelow(n.Dir))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	owner, err := network.Owner()
	if err != nil {
		return err
	}
	// What follows is the machine's, and may be that of a node elsewhere.
	if owner == n.Dir {
		if err := n.restoreHost(ctx); err != nil {
			return err
		}
	}
	return n.removeState()
}

// restoreHost undoes what a node did outside its folder. The bridge, by which
// its owner is known, goes last.
func (n *Node) restoreHost(ctx context.Context) error {
	sysctls, err := readSysctls()
	if err != nil {
		return err
	}
	if err := errors.Join(host.RestoreSysctls(sysctls), removeOutside(n.Dir)); err != nil {
		return err
	}
	return network.TearDown(ctx)
}

// stopDaemons ends what the record names, without grace: nothing of a node that
// goes away is worth saving. The kubelet goes first, since it would replace what
// goes before it.
func stopDaemons(st *state) error {
	var errs []error
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(st.Daemons)), func(name string) bool { return name == "kubelet" })
	for _, name := range slices.Insert(names, 0, "kubelet") {
		if err := st.Daemons[name].Stop(0); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// containers lists the ids of containers that were started. Pods that outlive
// containerd are found by them.
func (n *Node) containers() ([]string, error) {
	var ids []string
	matches, err := filepath.Glob(n.path("run", "containerd", "*", "k8s.io", "*"))
	if err != nil {
		return nil, err
	}
	for _, match := range matches {
		// Too short a name could be part of a stranger's path.
		if id := filepath.Base(match); len(id) == 64 {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// stopStrays ends the processes of containers, then their shims and daemons that
// no record names.
func (n *Node) stopStrays(containers []string) error {
	var errs []error
	find := []func() ([]process.ID, error){
		func() ([]process.ID, error) { return process.FindByCgroup(containers) },
		func() ([]process.ID, error) { return process.FindByEnvironment(n.marker()) },
	}
	for _, find := range find {
		found, err := find()
		errs = append(errs, err)
		for _, id := range found {
			errs = append(errs, id.Stop(0))
		}
	}
	return errors.Join(errs...)
}

// unmountBelow unmounts what is mounted below a folder, the deepest first.
func unmountBelow(dir string) error {
	content, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var errs []error
	for _, target := range mountsBelow(string(content), dir) {
		// Detached at once: a namespace that still holds it cannot block.
		if err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", target, err))
		}
	}
	return errors.Join(errs...)
}

// mountsBelow reads the table of mounts, in the order in which to unmount.
func mountsBelow(mounts, dir string) []string {
	var targets []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			targets = append(targets, fields[1])
		}
	}
	slices.Reverse(targets)
	return targets
}

// removeOutside removes the few things that the daemons insist on having outside
// the state folder.
func removeOutside(dir string) error {
	errs := []error{os.RemoveAll(runtimeDir), os.RemoveAll("/var/lib/kubelet/device-plugins/kubelet.sock")}
	results, err := filepath.Glob("/var/lib/cni/results/" + cniNetwork + "-*")
	errs = append(errs, err)
	for _, result := range results {
		errs = append(errs, os.Remove(result))
	}
	links, err := filepath.Glob("/var/log/containers/*.log")
	errs = append(errs, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir+"/") {
			errs = append(errs, os.Remove(link))
		}
	}
	for _, folder := range emptied {
		// Fails where something of someone else's is in it.
		_ = unix.Rmdir(folder)
	}
	errs = append(errs, removeCgroups())
	return errors.Join(errs...)
}

// emptied are folders that the kubelet and CNI make at fixed places, each before
// the one that it is in.
var emptied = []string{
	"/var/lib/kubelet/device-plugins", "/var/lib/kubelet",
	"/var/lib/cni/results", "/var/lib/cni",
	"/var/log/containers",
	"/usr/libexec/kubernetes/kubelet-plugins/volume/exec", "/usr/libexec/kubernetes/kubelet-plugins/volume",
	"/usr/libexec/kubernetes/kubelet-plugins", "/usr/libexec/kubernetes",
}

// removeCgroups removes the groups of pods, which the kernel allows only once
// they are empty.
func removeCgroups() error {
	var errs []error
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		roots, err := filepath.Glob(pattern)
		errs = append(errs, err)
		for _, root := range roots {
			var groups []string
			err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					groups = append(groups, path)
				}
				return err
			})
			errs = append(errs, err)
			for _, group := range slices.Backward(groups) {
				if err := unix.Rmdir(group); err != nil && !errors.Is(err, unix.ENOENT) {
					errs = append(errs, fmt.Errorf("remove control group %s: %w", group, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// removed are the entries of the state folder that removal knows. A folder that was
// given by mistake keeps whatever else is in it.
var removed = []string{
	"addresses", "config", "containerd", "etcd", "images", "kubeconfig", "kubelet",
	"opt", "pki", "pods", "run", "volume-plugins",
	// The record goes last, so that a failed removal can be tried again.
	StateFile,
}

// removeState removes the node's files but for its logs, which are what one looks
// at when something went wrong, and the lock that the caller holds.
func (n *Node) removeState() error {
	for _, entry := range removed {
		if err := os.RemoveAll(n.path(entry)); err != nil {
			return err
		}
	}
	return nil
}
