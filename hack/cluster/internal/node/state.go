//go:build linux

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/lock"
	"ragops.dev/ragservice/hack/cluster/internal/process"
)

// state is the record of what was started, kept so that any later run can take
// it away. It is written before the next thing is started.
type state struct {
	// BootID is the kernel's name of the boot: after another one nothing of
	// the record runs any more.
	BootID string `json:"bootID"`
	// Complete is set once the node was up.
	Complete bool              `json:"complete"`
	Daemons  map[string]record `json:"daemons"`
	// Sysctls are the host's kernel settings before the node changed them.
	Sysctls map[string]string `json:"sysctls"`
}

// record is a started daemon.
type record struct {
	process.ID
	// Spec covers how it was started; another one means to start it anew.
	Spec string `json:"spec"`
}

func bootID() (string, error) {
	content, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(content)), err
}

// readState returns nil where there is no record.
func (n *Node) readState() (*state, error) {
	content, err := os.ReadFile(n.path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var st state
	if err := json.Unmarshal(content, &st); err != nil {
		return nil, fmt.Errorf("read %s: %w", n.path("state.json"), err)
	}
	return &st, nil
}

func (n *Node) writeState(st *state) error {
	content, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	unfinished := n.path("state.json.new")
	if err := os.WriteFile(unfinished, content, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, n.path("state.json"))
}

// lock keeps a second `up` or `down` of the same folder out.
func (n *Node) lock() (unlock func(), err error) {
	if err := os.MkdirAll(n.Dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err = lock.Try(n.path("lock"))
	if errors.Is(err, lock.ErrHeld) {
		return nil, fmt.Errorf("another `up` or `down` is at work in %s: wait for it to end", n.Dir)
	}
	return unlock, err
}
