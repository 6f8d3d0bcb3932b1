//go:build linux

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// IPForward is the setting under which the kernel forwards between interfaces.
const IPForward = "net/ipv4/ip_forward"

// changed lists the settings that the cluster changes: the first by us, the
// others by the kubelet and kube-proxy, which restore nothing.
var changed = []string{
	IPForward,
	"net/ipv4/conf/all/route_localnet",
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

const sysctlDir = "/proc/sys"

// Sysctls reads the settings that the cluster will change, by their path below
// /proc/sys. Those that this kernel lacks are left out.
func Sysctls() (map[string]string, error) {
	values := map[string]string{}
	for _, name := range changed {
		value, err := os.ReadFile(filepath.Join(sysctlDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read kernel settings: %w", err)
		}
		values[name] = strings.TrimSpace(string(value))
	}
	return values, nil
}

// RestoreSysctls gives the settings the values that Sysctls read.
func RestoreSysctls(values map[string]string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		errs = append(errs, SetSysctl(name, values[name]))
	}
	return errors.Join(errs...)
}

// SetSysctl writes one setting, unless it has the value already: where /proc/sys
// is read-only, that is all that can be asked for.
func SetSysctl(name, value string) error {
	path := filepath.Join(sysctlDir, name)
	now, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(now)) == value {
		return nil
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return fmt.Errorf("set kernel setting %s to %s: %w", name, value, err)
	}
	return nil
}
