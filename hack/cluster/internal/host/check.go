//go:build linux

package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// capability is a right of the kernel's that a node cannot do without.
type capability struct {
	bit  int
	name string
	why  string
}

var capabilities = []capability{
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "to mount the file systems of containers"},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "to make the pods' network"},
	{unix.CAP_SYS_CHROOT, "CAP_SYS_CHROOT", "to start containers"},
	{unix.CAP_MKNOD, "CAP_MKNOD", "to give containers their devices"},
}

// controllers are the control groups that the kubelet insists on.
var controllers = []string{"cpu", "cpuset", "memory", "pids"}

// Check returns why this machine cannot host a node, all reasons at once, each
// with what to do about it.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root, to make containers and their network: run this again as root (sudo), " +
			"or start Docker, and kind is used instead")
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	errs := []error{checkCapabilities(string(status)), checkCgroups("/sys/fs/cgroup")}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(filesystems), "\toverlay\n") {
		errs = append(errs, errors.New("the kernel has no overlay file system: load it with `modprobe overlay`"))
	}
	return errors.Join(errs...)
}

// checkCapabilities reads the effective capabilities in /proc/PID/status.
func checkCapabilities(status string) error {
	var effective uint64
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			var err error
			if effective, err = strconv.ParseUint(strings.TrimSpace(value), 16, 64); err != nil {
				return fmt.Errorf("read this process's capabilities: %w", err)
			}
		}
	}
	var errs []error
	for _, c := range capabilities {
		if effective&(1<<c.bit) == 0 {
			errs = append(errs, fmt.Errorf("this process lacks %s, %s: inside a container, start that one with --privileged", c.name, c.why))
		}
	}
	return errors.Join(errs...)
}

// checkCgroups looks for the controllers in either version of control groups.
func checkCgroups(root string) error {
	if content, err := os.ReadFile(filepath.Join(root, "cgroup.controllers")); err == nil {
		var missing []string
		present := strings.Fields(string(content))
		for _, controller := range controllers {
			if !slices.Contains(present, controller) {
				missing = append(missing, controller)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("the control group controllers %s are off: boot with cgroup_enable=memory, or, inside a container, "+
				"start that one with --privileged --cgroupns=host", strings.Join(missing, ", "))
		}
		return writable(root)
	}
	for _, controller := range controllers {
		if _, err := os.Stat(filepath.Join(root, controller)); err != nil {
			return fmt.Errorf("the control group controller %s is not mounted at %s: mount it, or, inside a container, "+
				"start that one with --privileged", controller, filepath.Join(root, controller))
		}
		if err := writable(filepath.Join(root, controller)); err != nil {
			return err
		}
	}
	return nil
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("control groups cannot be changed (%s: %w): inside a container, start that one with --privileged", dir, err)
	}
	return nil
}
