//go:build linux

package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// chainPrefix begins the name of every chain that this package adds.
const chainPrefix = "RAGSERVICE-"

// families are the prefixes of the two sets of iptables commands. kube-proxy
// adds chains to both, also where the cluster has only IPv4.
var families = []string{"iptables", ipv6}

const ipv6 = "ip6tables"

// ours says which chains belong to the cluster. kube-proxy's and the kubelet's
// are, because CheckFree refuses a machine that has others.
func ours(chain string) bool {
	return strings.HasPrefix(chain, chainPrefix) || strings.HasPrefix(chain, "KUBE-")
}

// rules is the cluster's input to iptables-restore. It lets pods reach each
// other and the outside, whatever the policy of FORWARD is, and keeps everything
// but this machine out: the bridge's addresses would otherwise answer on every
// interface. Where the host did not forward before, it forwards nothing else.
func rules(hostForwards bool) string {
	forwardRest := ""
	if !hostForwards {
		forwardRest = "-A RAGSERVICE-FORWARD -j DROP\n"
	}
	return strings.NewReplacer("BRIDGE", Bridge, "RANGE", Range.String(), "PODS", PodRange.String(), "REST\n", forwardRest).Replace(
		`*mangle
:RAGSERVICE-GUARD - [0:0]
-I PREROUTING -j RAGSERVICE-GUARD
-A RAGSERVICE-GUARD -i BRIDGE -j RETURN
-A RAGSERVICE-GUARD -i lo -j RETURN
-A RAGSERVICE-GUARD -d RANGE -j DROP
COMMIT
*nat
:RAGSERVICE-OUTSIDE - [0:0]
-A POSTROUTING -j RAGSERVICE-OUTSIDE
-A RAGSERVICE-OUTSIDE -s PODS ! -d RANGE -j MASQUERADE
COMMIT
*filter
:RAGSERVICE-FORWARD - [0:0]
-I FORWARD -j RAGSERVICE-FORWARD
-A RAGSERVICE-FORWARD -i BRIDGE -j ACCEPT
-A RAGSERVICE-FORWARD -o BRIDGE -j ACCEPT
REST
COMMIT
`)
}

func removeRules(ctx context.Context, ours func(chain string) bool) error {
	var errs []error
	for _, family := range families {
		saved, err := save(ctx, family)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if input := removal(saved, ours); input != "" {
			errs = append(errs, run(ctx, input, family+"-restore", "--noflush", "--wait=10"))
		}
	}
	return errors.Join(errs...)
}

// save returns the rules of a family, none where the kernel lacks it.
func save(ctx context.Context, family string) (string, error) {
	if _, err := os.Stat("/proc/sys/net/ipv6"); family == ipv6 && errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	output, err := exec.CommandContext(ctx, family+"-save").Output()
	if err != nil {
		return "", fmt.Errorf("%s-save: %w", family, err)
	}
	return string(output), nil
}

// removal turns the output of iptables-save into the input of iptables-restore
// that removes the chains that are ours, and the rules of other chains that jump
// to them. It is empty where there is nothing to remove.
func removal(saved string, ours func(chain string) bool) string {
	var script strings.Builder
	var table string
	var chains, jumps []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSuffix(line, "\n")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case strings.HasPrefix(line, "*"):
			table, chains, jumps = line, nil, nil
		case strings.HasPrefix(line, ":"):
			if chain := strings.TrimPrefix(fields[0], ":"); ours(chain) {
				chains = append(chains, chain)
			}
		case fields[0] == "-A" && !ours(fields[1]) && ours(target(fields)):
			jumps = append(jumps, "-D"+strings.TrimPrefix(line, "-A"))
		case line == "COMMIT" && len(chains) > 0:
			fmt.Fprintln(&script, table)
			for _, chain := range chains {
				// To declare a chain anew empties it.
				fmt.Fprintf(&script, ":%s - [0:0]\n", chain)
			}
			for _, jump := range jumps {
				fmt.Fprintln(&script, jump)
			}
			for _, chain := range chains {
				fmt.Fprintf(&script, "-X %s\n", chain)
			}
			fmt.Fprintln(&script, "COMMIT")
		}
	}
	return script.String()
}

// target is the chain that a rule jumps to. Options of the target may follow it,
// and a comment before it may hold anything, so the last -j or -g counts.
func target(fields []string) string {
	for i, field := range slices.Backward(fields) {
		if (field == "-j" || field == "-g") && i+1 < len(fields) {
			return fields[i+1]
		}
	}
	return ""
}
