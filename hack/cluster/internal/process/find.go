//go:build linux

package process

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// FindByEnvironment lists the processes that were started with the variable,
// "NAME=value", in their environment. It finds what no record names: a daemon
// started right before its starter was killed, and what a daemon started.
func FindByEnvironment(variable string) ([]ID, error) {
	return find("environ", func(content []byte) bool {
		return slices.ContainsFunc(bytes.Split(content, []byte{0}), func(entry []byte) bool {
			return string(entry) == variable
		})
	})
}

// FindByCgroup lists the processes whose control group has a path that
// contains one of the names, which must be unique to what is looked for.
func FindByCgroup(names []string) ([]ID, error) {
	return find("cgroup", func(content []byte) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			return bytes.Contains(content, []byte(name))
		})
	})
}

// find lists the processes, other than this one, whose file of the given name
// under /proc matches.
func find(file string, match func(content []byte) bool) ([]ID, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []ID
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A process that ends meanwhile, or is not ours to read, is none
		// that is looked for.
		content, err := os.ReadFile(filepath.Join("/proc", entry.Name(), file))
		if err != nil || !match(content) {
			continue
		}
		if id, err := Of(pid); err == nil {
			found = append(found, id)
		}
	}
	return found, nil
}
