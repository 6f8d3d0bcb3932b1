// Package host knows what a machine must have and allow to run a node, installs
// what is missing where it may, and remembers the kernel settings that a node
// changes. It starts nothing.
package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// Package is a Debian package and a file by which its presence is known on any
// distribution.
type Package struct {
	Name string
	// Program is looked for on the path; File, a pattern, in the file system.
	Program, File string
}

var (
	// NodePackages are what a running node calls.
	NodePackages = []Package{
		{Name: "iptables", Program: "iptables-save"},
		{Name: "iproute2", Program: "ip"},
		{Name: "ca-certificates", File: "/etc/ssl/certs/ca-certificates.crt"},
	}
	// CompilerPackages are what building runc needs, which is partly C.
	CompilerPackages = []Package{
		{Name: "gcc", Program: "gcc"},
		{Name: "libc6-dev", File: "/usr/include/stdlib.h"},
		{Name: "pkg-config", Program: "pkg-config"},
		{Name: "libseccomp-dev", File: "/usr/include/seccomp.h"},
	}
	// RedisPackages are what the Redis image is made of. redis-tools has the
	// server's program without the service that redis-server would start.
	RedisPackages = []Package{
		{Name: "redis-tools", Program: "redis-check-rdb"},
	}
	// PostgresPackages are what the PostgreSQL image is made of.
	PostgresPackages = []Package{
		{Name: "postgresql", File: "/usr/lib/postgresql/*/bin/initdb"},
	}
)

// Install installs those of the packages that are missing, or says how to.
func Install(ctx context.Context, printer *progress.Printer, packages ...Package) error {
	missing := absent(packages)
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	aptGet, err := exec.LookPath("apt-get")
	if err != nil {
		return fmt.Errorf("this machine lacks %s: install them with its package manager (those are their names on Debian)", list)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("this machine lacks %s: install them with `sudo apt-get install %s`", list, list)
	}
	return printer.Do("installing "+list, "", func() error {
		install := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
		for _, args := range [][]string{{"update"}, install} {
			if err := apt(ctx, aptGet, args); err != nil {
				return err
			}
		}
		return nil
	})
}

func apt(ctx context.Context, aptGet string, args []string) error {
	args = append([]string{"--quiet", "--option", "DPkg::Lock::Timeout=300"}, args...)
	cmd := exec.CommandContext(ctx, aptGet, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

// absent names the packages that are missing.
func absent(packages []Package) []string {
	var missing []string
	for _, p := range packages {
		var present bool
		if p.Program != "" {
			present = slices.ContainsFunc(searchPath(), func(dir string) bool {
				info, err := os.Stat(filepath.Join(dir, p.Program))
				return err == nil && !info.IsDir()
			})
		} else {
			matches, _ := filepath.Glob(p.File) // fails only on a malformed pattern
			present = len(matches) > 0
		}
		if !present {
			missing = append(missing, p.Name)
		}
	}
	return missing
}

// searchPath is the path with the folders of system programs, which a user's
// path may lack.
func searchPath() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
}

// SearchPath is the value of PATH for programs of the node.
func SearchPath(first ...string) string {
	return strings.Join(append(first, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"), string(filepath.ListSeparator))
}
