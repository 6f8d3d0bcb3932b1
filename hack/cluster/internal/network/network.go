//go:build linux

// Package network gives the node its bridge and packet rules and takes them
// away again. It changes nothing that belongs to the host: it adds a bridge and
// chains of its own, and removes exactly those. Forwarding, which it switches on,
// is the caller's to restore.
package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/host"
)

// The address plan lies in 198.18.0.0/15, which RFC 2544 keeps for benchmarks:
// no network that a machine is attached to uses it.
var (
	Range      = netip.MustParsePrefix("198.18.0.0/15")
	PodRange   = netip.MustParsePrefix("198.18.0.0/16")
	Services   = netip.MustParsePrefix("198.19.0.0/16")
	Node       = netip.MustParseAddr("198.18.0.1")
	APIService = netip.MustParseAddr("198.19.0.1")
	DNSService = netip.MustParseAddr("198.19.0.10")
	FirstPod   = netip.MustParseAddr("198.18.0.10")
	LastPod    = netip.MustParseAddr("198.18.255.250")
)

// ownerPrefix begins the alias of the bridge; the state folder follows.
const ownerPrefix = "ragservice cluster in "

// Bridge connects the pods with the node. Its alias says whose it is.
const Bridge = "ragservice0"

// Owner is the state folder of the cluster whose bridge exists on this machine,
// empty where there is none.
func Owner() (string, error) {
	alias, err := os.ReadFile(filepath.Join("/sys/class/net", Bridge, "ifalias"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if len(bytes.TrimSpace(alias)) == 0 {
		// Made by a run that was killed before it named the bridge.
		return "", nil
	}
	dir, ours := strings.CutPrefix(strings.TrimSpace(string(alias)), ownerPrefix)
	if !ours {
		return "", fmt.Errorf("this machine has a network interface %s that is not ours: remove it with `ip link delete %s`", Bridge, Bridge)
	}
	return dir, nil
}

// CheckFree returns an error where the machine cannot take the cluster's
// network because something else has its addresses or is a Kubernetes node.
func CheckFree(ctx context.Context) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err == nil && prefix.Overlaps(Range) {
			return fmt.Errorf("this machine already has the address %s, which lies in the cluster's range %s", prefix, Range)
		}
	}
	for _, family := range families {
		rules, err := save(ctx, family)
		if err != nil {
			return err
		}
		if removal(rules, ours) != "" {
			return errors.New("this machine has packet rules of another Kubernetes node (chains KUBE-…): " +
				"stop it, or remove what it left with `kube-proxy --cleanup`")
		}
	}
	return nil
}

// SetUp makes the bridge and the rules, for the cluster in dir. hostForwards says
// whether the host forwarded packets before the cluster switched that on.
func SetUp(ctx context.Context, dir string, hostForwards bool) error {
	if _, err := os.Stat(filepath.Join("/sys/class/net", Bridge)); errors.Is(err, os.ErrNotExist) {
		if err := run(ctx, "", "ip", "link", "add", Bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	nodePrefix := netip.PrefixFrom(Node, PodRange.Bits()).String()
	for _, args := range [][]string{
		{"link", "set", Bridge, "alias", ownerPrefix + dir},
		{"address", "replace", nodePrefix, "dev", Bridge},
		{"link", "set", Bridge, "up"},
	} {
		if err := run(ctx, "", "ip", args...); err != nil {
			return err
		}
	}
	if err := host.SetSysctl(host.IPForward, "1"); err != nil {
		return fmt.Errorf("switch on IPv4 forwarding: %w", err)
	}
	if err := removeRules(ctx, func(chain string) bool { return strings.HasPrefix(chain, chainPrefix) }); err != nil {
		return err
	}
	return run(ctx, rules(hostForwards), "iptables-restore", "--noflush", "--wait=10")
}

// TearDown removes the bridge with all that is attached to it, the rules of the
// cluster and those of its kube-proxy.
func TearDown(ctx context.Context) error {
	var errs []error
	errs = append(errs, removeRules(ctx, ours))
	owner, err := Owner()
	errs = append(errs, err)
	if owner != "" {
		ports, err := os.ReadDir(filepath.Join("/sys/class/net", Bridge, "brif"))
		errs = append(errs, err)
		for _, port := range ports {
			// The kernel removes a port as well, once its pod's namespace is gone.
			err := run(ctx, "", "ip", "link", "delete", port.Name())
			if _, statErr := os.Stat(filepath.Join("/sys/class/net", port.Name())); statErr == nil {
				errs = append(errs, err)
			}
		}
		errs = append(errs, run(ctx, "", "ip", "link", "delete", Bridge))
	}
	return errors.Join(errs...)
}

func run(ctx context.Context, input, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}
