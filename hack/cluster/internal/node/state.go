//go:build linux

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/host"
	"ragops.dev/ragservice/hack/cluster/internal/lock"
	"ragops.dev/ragservice/hack/cluster/internal/process"
)

// StateFile is the record's name below the state folder.
const StateFile = "state.json"

// state is the record of what was started, kept so that any later run can take
// it away. It is written before the next thing is started.
type state struct {
	// BootID is the kernel's name of the boot: after another one nothing of
	// the record runs any more.
	BootID string `json:"bootID"`
	// Complete is set once the node was up.
	Complete bool              `json:"complete"`
	Daemons  map[string]record `json:"daemons"`
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
	content, err := os.ReadFile(n.path(StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var st state
	if err := json.Unmarshal(content, &st); err != nil {
		return nil, fmt.Errorf("read %s: %w", n.path(StateFile), err)
	}
	return &st, nil
}

func (n *Node) writeState(st *state) error {
	return writeJSON(n.path(StateFile), st)
}

// sysctlRecord has the host's kernel settings from before the node changed them.
// It lasts as long as they do, until the next boot, even where someone deletes
// the state folder.
var sysctlRecord = filepath.Join(runtimeDir, "sysctls.json")

// recordSysctls keeps an older record: that is the one from before the change.
func recordSysctls() error {
	if _, err := os.Stat(sysctlRecord); err == nil {
		return nil
	}
	values, err := host.Sysctls()
	if err != nil {
		return err
	}
	return writeJSON(sysctlRecord, values)
}

// readSysctls returns nil where there is no record.
func readSysctls() (map[string]string, error) {
	content, err := os.ReadFile(sysctlRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var values map[string]string
	if err := json.Unmarshal(content, &values); err != nil {
		return nil, fmt.Errorf("read %s: %w", sysctlRecord, err)
	}
	return values, nil
}

func writeJSON(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	unfinished := path + ".new"
	if err := os.WriteFile(unfinished, content, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
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
