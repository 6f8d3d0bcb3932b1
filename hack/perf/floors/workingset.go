package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryGroup is a cgroup that a process is alone in, as a container's is: of version 1
// or 2, whichever the machine has.
type memoryGroup struct {
	folder string
	// usage is the file with the bytes charged to the group, inactive the field of
	// memory.stat with those that are pages of files and were not used again.
	usage, inactive string
}

// newMemoryGroup needs root.
func newMemoryGroup(name string) (*memoryGroup, error) {
	g := &memoryGroup{folder: filepath.Join("/sys/fs/cgroup/memory", name), usage: "memory.usage_in_bytes", inactive: "total_inactive_file"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		g = &memoryGroup{folder: filepath.Join("/sys/fs/cgroup", name), usage: "memory.current", inactive: "inactive_file"}
	}
	if err := os.Mkdir(g.folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(g.folder, g.usage)); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

// remove works once no process is in the group any more.
func (g *memoryGroup) remove() error { return os.Remove(g.folder) }

// workingSet is what Kubernetes means by the memory of a container: what is charged to
// its cgroup without the pages of files that were not used again, which the kernel
// takes back before anything else. It is computed as the kubelet's cAdvisor does, in
// setMemoryStats of container/libcontainer/handler.go.
func (g *memoryGroup) workingSet() (int64, error) {
	usage, err := os.ReadFile(filepath.Join(g.folder, g.usage))
	if err != nil {
		return 0, err
	}
	bytes, err := strconv.ParseInt(strings.TrimSpace(string(usage)), 10, 64)
	if err != nil {
		return 0, err
	}
	stat, err := os.ReadFile(filepath.Join(g.folder, "memory.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(stat)) {
		if value, ok := strings.CutPrefix(line, g.inactive+" "); ok {
			inactive, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return bytes - inactive, err
		}
	}
	return 0, fmt.Errorf("memory.stat has no %s", g.inactive)
}

// enter is the command line of a program that is in the group before its first page is.
func (g *memoryGroup) enter(program string) []string {
	return []string{"sh", "-c", `echo $$ > "$0" && exec "$@"`, filepath.Join(g.folder, "cgroup.procs"), program}
}

// fresh is a copy of the runtime of which no page is in memory, so that those that it
// needs are charged to its group: others have read the program before.
func (l *lab) fresh() (path string, err error) {
	from, err := os.Open(l.runtime)
	if err != nil {
		return "", err
	}
	defer from.Close()
	path = filepath.Join(l.dir, "runtime-fresh")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if _, err := io.Copy(to, from); err != nil {
		return "", err
	}
	if err := to.Sync(); err != nil { // only what is on disk can be dropped
		return "", err
	}
	return path, unix.Fadvise(int(to.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// idleInGroup is the working set of a service that nobody asks anything.
func (l *lab) idleInGroup(ctx context.Context, g *memoryGroup, config string) (int64, error) {
	program, err := l.fresh()
	if err != nil {
		return 0, err
	}
	service, err := l.serviceOf(ctx, config, g.enter(program)...)
	if err != nil {
		return 0, err
	}
	defer service.stop()
	if err := pause(ctx, rest); err != nil {
		return 0, err
	}
	return g.workingSet()
}
