//go:build linux

// Package network gives the node its bridge and packet rules and takes them
// away again. It changes nothing that belongs to the host: it adds a bridge and
// chains of its own, switches forwarding on, and undoes exactly that.
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
)

// The address plan lies in 198.18.0.0/15, which RFC 2544 keeps for benchmarks:
// no network that a machine is attached to uses it.
var (
	Range       = netip.MustParsePrefix("198.18.0.0/15")
	PodRange    = netip.MustParsePrefix("198.18.0.0/16")
	Services    = netip.MustParsePrefix("198.19.0.0/16")
	Node        = netip.MustParseAddr("198.18.0.1")
	APIService  = netip.MustParseAddr("198.19.0.1")
	DNSService  = netip.MustParseAddr("198.19.0.10")
	FirstPod    = netip.MustParseAddr("198.18.0.10")
	LastPod     = netip.MustParseAddr("198.18.255.250")
	forwarding  = "/proc/sys/net/ipv4/ip_forward"
	ownerPrefix = "ragservice cluster in "
)

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
	dir, ours := strings.CutPrefix(strings.TrimSpace(string(alias)), ownerPrefix)
	if !ours {
		return "", fmt.Errorf("this machine has a network interface %s that is not ours: remove it with `ip link delete %s`", Bridge, Bridge)
	}
	return dir, nil
}

// Forwarding is the host's present setting of IPv4 forwarding, "0" or "1".
func Forwarding() (string, error) {
	value, err := os.ReadFile(forwarding)
	return strings.TrimSpace(string(value)), err
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

// SetUp makes the bridge and the rules, for the cluster in dir. hadForwarding is
// the setting of Forwarding before the cluster changed it.
func SetUp(ctx context.Context, dir, hadForwarding string) error {
	owner, err := Owner()
	if err != nil {
		return err
	}
	if owner == "" {
		if err := run(ctx, "", "ip", "link", "add", Bridge, "alias", ownerPrefix+dir, "type", "bridge"); err != nil {
			return err
		}
	}
	nodePrefix := netip.PrefixFrom(Node, PodRange.Bits()).String()
	for _, args := range [][]string{
		{"address", "replace", nodePrefix, "dev", Bridge},
		{"link", "set", Bridge, "up"},
	} {
		if err := run(ctx, "", "ip", args...); err != nil {
			return err
		}
	}
	if err := os.WriteFile(forwarding, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switch on IPv4 forwarding: %w", err)
	}
	if err := removeRules(ctx, func(chain string) bool { return strings.HasPrefix(chain, chainPrefix) }); err != nil {
		return err
	}
	return run(ctx, rules(hadForwarding == "1"), "iptables-restore", "--noflush", "--wait=10")
}

// TearDown removes the bridge with all that is attached to it, the rules of the
// cluster and those of its kube-proxy, and restores forwarding.
func TearDown(ctx context.Context, hadForwarding string) error {
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
	if hadForwarding == "0" {
		errs = append(errs, os.WriteFile(forwarding, []byte("0"), 0o644))
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
