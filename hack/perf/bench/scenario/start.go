package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

// one measures a single service once.
func (s *Suite) one(ctx context.Context, service *lab.Service, p load.Plan) ([]measured, error) {
	sampler, err := usage.NewProcesses(service.PID)
	if err != nil {
		return nil, err
	}
	p.Usage = sampler
	r, err := load.Run(ctx, p)
	if err != nil {
		return nil, err
	}
	if r.Interrupted {
		return nil, context.Cause(ctx)
	}
	return []measured{{Result: r}}, nil
}

// memory of a process tree, in bytes. A sample compares with the one before it.
func memory(ctx context.Context, pid int) (int64, error) {
	sampler, err := usage.NewProcesses(pid)
	if err != nil {
		return 0, err
	}
	for range 2 {
		sample, err := sampler.Sample(ctx)
		if err != nil {
			return 0, err
		}
		if sample != nil {
			return sample.MemoryBytes, nil
		}
	}
	return 0, fmt.Errorf("process %d has no memory to measure", pid)
}

// start times services from their start to their first answers, and then looks at
// the memory that they take before they have done anything more.
func (s *Suite) start(ctx context.Context) (_ []result.Scenario, err error) {
	set, err := s.set(ctx, lab.StandIns{}, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.clear(set)) }()
	fresh, err := questions(1)
	if err != nil {
		return nil, err
	}
	type figures struct{ ready, answered, memory []float64 }
	kinds := []lab.Kind{lab.Runtime, lab.FastAPI, lab.Flask}
	of := map[lab.Kind]*figures{}
	for range either(s, 3, 7) {
		for _, kind := range kinds {
			if of[kind] == nil {
				of[kind] = new(figures)
			}
			began := time.Now()
			service, err := s.Lab.StartService(ctx, kind, set.around)
			if err != nil {
				return nil, err
			}
			p, err := plan(service, "", fresh)
			if err != nil {
				return nil, err
			}
			if err := load.Probe(ctx, p.Target, fresh, p.Timeout); err != nil {
				return nil, err
			}
			answered := time.Since(began)
			bytes, err := memory(ctx, service.PID)
			if err := errors.Join(err, s.Lab.Stop(service.Process)); err != nil {
				return nil, err
			}
			f := of[kind]
			f.ready = append(f.ready, float64(service.Took.Microseconds())/1000)
			f.answered = append(f.answered, float64(answered.Microseconds())/1000)
			f.memory = append(f.memory, float64(bytes)/(1<<20))
		}
	}
	scenario := result.Scenario{Name: Start}
	for _, kind := range kinds {
		f := of[kind]
		scenario.Add("ready", "ms", false, result.Row{Service: string(kind), Values: f.ready})
		scenario.Add("first answer", "ms", false, result.Row{Service: string(kind), Values: f.answered})
		scenario.Add("memory", "MiB", false, result.Row{Service: string(kind), Values: f.memory})
	}
	return []result.Scenario{scenario}, nil
}

// Packages of Debian that each baseline needs, by what it imports.
var (
	FastAPIPackages = []string{"python3-fastapi", "uvicorn", "python3-uvloop", "python3-httptools", "python3-redis", "python3-hiredis", "python3-httpx", "python3-asyncpg"}
	FlaskPackages   = []string{"python3-flask", "gunicorn", "python3-redis", "python3-hiredis", "python3-requests", "python3-psycopg2"}
)

// size compares what an image has to hold: for the runtime its binary, which is
// all that its image holds; for the baselines the Debian packages that they need,
// with all that those depend on, down to the C library, and nothing that an image
// usually holds beside them.
func (s *Suite) size(ctx context.Context) ([]result.Scenario, error) {
	binary, err := os.Stat(s.Lab.Binary("runtime"))
	if err != nil {
		return nil, err
	}
	scenario := result.Scenario{Name: Size}
	note := func(kind lab.Kind, bytes int64, note string) {
		scenario.Add("files of an image", "MiB", false, result.Row{Service: string(kind), Values: []float64{float64(bytes) / (1 << 20)}, Note: note})
	}
	note(lab.Runtime, binary.Size(), "one static binary; the image is built from scratch")
	for _, baseline := range []struct {
		kind     lab.Kind
		packages []string
	}{{lab.FastAPI, FastAPIPackages}, {lab.Flask, FlaskPackages}} {
		bytes, n, err := closure(ctx, baseline.packages)
		if err != nil {
			return nil, err
		}
		note(baseline.kind, bytes, fmt.Sprintf("%d Debian packages, without a base image", n))
	}
	return []result.Scenario{scenario}, nil
}

// packageLine is a line of apt-cache that names a package which can be installed:
// virtual ones are in angle brackets, and dependencies are indented.
var packageLine = regexp.MustCompile(`(?m)^([a-z0-9][a-z0-9+.-]*)(:[a-z0-9]+)?$`)

// closure is the installed size of packages with their dependencies, and how many
// those are.
func closure(ctx context.Context, packages []string) (bytes int64, n int, err error) {
	args := append([]string{"depends", "--recurse", "--installed", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"}, packages...)
	out, err := exec.CommandContext(ctx, "apt-cache", args...).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("apt-cache depends: %w", err)
	}
	query := []string{"--show", "--showformat", "${Installed-Size}\n"}
	for _, found := range packageLine.FindAllStringSubmatch(string(out), -1) {
		query = append(query, found[1])
	}
	sizes, err := exec.CommandContext(ctx, "dpkg-query", query...).Output()
	if err != nil && len(sizes) == 0 {
		return 0, 0, fmt.Errorf("dpkg-query: %w", err)
	}
	for line := range strings.FieldsSeq(string(sizes)) {
		kilobytes, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("dpkg-query: %w", err)
		}
		bytes += kilobytes << 10
		n++
	}
	return bytes, n, nil
}
