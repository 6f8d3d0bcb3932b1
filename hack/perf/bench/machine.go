package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"ragops.dev/ragservice/hack/perf/bench/result"
)

var (
	cpuModel = regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`)
	memTotal = regexp.MustCompile(`(?m)^MemTotal:\s*(\d+) kB$`)
)

func machine(serviceCores, otherCores string) (result.Machine, error) {
	m := result.Machine{Cores: 1, ServiceCores: serviceCores, OtherCores: otherCores, CPU: runtime.GOARCH}
	if otherCores != "" {
		m.Cores += 1 + strings.Count(otherCores, ",")
	}
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	if found := cpuModel.FindSubmatch(cpu); found != nil {
		m.CPU = string(found[1])
	}
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	if found := memTotal.FindSubmatch(memory); found != nil {
		kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64) // Digits.
		m.Memory = kilobytes << 10
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	return m, err
}

// versions of all that takes part. What does not say its own is left out.
func versions(ctx context.Context, root string) []result.Version {
	out := []result.Version{{Name: "Go", Version: strings.TrimPrefix(runtime.Version(), "go")}}
	describe := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	describe.Dir = root
	if commit, err := describe.Output(); err == nil {
		out = append(out, result.Version{Name: "query runtime", Version: strings.TrimSpace(string(commit))})
	}
	for _, p := range []struct{ name, debian string }{
		{"Python", "python3"}, {"Flask", "python3-flask"}, {"gunicorn", "gunicorn"}, {"FastAPI", "python3-fastapi"}, {"uvicorn", "uvicorn"},
		{"uvloop", "python3-uvloop"}, {"httptools", "python3-httptools"}, {"redis-py", "python3-redis"}, {"Redis", "redis-server"},
	} {
		query := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat", "${source:Upstream-Version}", p.debian)
		if version, err := query.Output(); err == nil {
			out = append(out, result.Version{Name: p.name, Version: string(version)})
		}
	}
	// Debian's package of the name postgresql has a version of its own.
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // The pattern is good.
	if len(found) > 0 {
		if text, err := exec.CommandContext(ctx, found[len(found)-1], "--version").Output(); err == nil {
			out = append(out, result.Version{Name: "PostgreSQL", Version: strings.Fields(string(text) + " ? ? ?")[2]})
		}
	}
	return out
}
