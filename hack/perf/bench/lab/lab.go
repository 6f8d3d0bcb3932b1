// Package lab runs the servers of a benchmark on one machine: Redis, PostgreSQL,
// the stand-ins for a model, an embedding and a vector store, and the services
// that are measured. Those have a core of their own; all else, the load generator
// with it, has the rest. It measures nothing.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Lab is what runs. Close stops all of it.
type Lab struct {
	// Folder holds binaries, data and logs, and goes when the lab closes.
	Folder string
	// ServiceCores and OtherCores are lists for taskset; empty where the machine
	// has one core only.
	ServiceCores, OtherCores string
	// RedisAddress and DSN are those of the servers that run all along.
	RedisAddress, DSN string

	root    string
	bin     string // where the programs are
	started int
	running []*Process
}

// Cores splits the cores that this program may run on, as lists for taskset: the
// first for the service that is measured, the rest for all else. Both are empty
// where there is one core only.
func Cores() (service, others string, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return "", "", err
	}
	var cores []string
	for cpu := 0; len(cores) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cores = append(cores, strconv.Itoa(cpu))
		}
	}
	if len(cores) < 2 {
		return "", "", nil
	}
	return cores[0], strings.Join(cores[1:], ","), nil
}

// Open builds the programs of the repository at root, unless they are in the folder
// bin already, and starts Redis and PostgreSQL.
func Open(ctx context.Context, root, bin, serviceCores, otherCores string) (*Lab, error) {
	folder, err := os.MkdirTemp("", "ragservice-bench-")
	if err != nil {
		return nil, err
	}
	l := &Lab{Folder: folder, ServiceCores: serviceCores, OtherCores: otherCores, root: root, bin: bin}
	for _, step := range []func(context.Context) error{l.open, l.build, l.startRedis, l.startPostgres} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// open lets PostgreSQL, which runs as another user, into the folder.
func (l *Lab) open(context.Context) error { return os.Chmod(l.Folder, 0o755) }

func (l *Lab) build(ctx context.Context) error {
	if l.bin != "" {
		return nil
	}
	l.bin = l.Folder
	// As a release is built: size and memory of the program are figures.
	build := exec.CommandContext(ctx, "make", "--no-print-directory", "build", "BINDIR="+l.Folder, "PROGRAMS=./cmd/runtime ./hack/perf/serve")
	build.Dir = l.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	return nil
}

// Binary is the path of a program.
func (l *Lab) Binary(name string) string { return filepath.Join(l.bin, name) }

func (l *Lab) startRedis(ctx context.Context) error {
	_, address, err := l.Redis(ctx, l.OtherCores)
	l.RedisAddress = address
	return err
}

// Redis starts a Redis that keeps nothing on disk.
func (l *Lab) Redis(ctx context.Context, cores string) (*Process, string, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := l.start("redis", cores, nil, nil, "redis-server", "--bind", "127.0.0.1", "--port", port(address),
		"--save", "", "--appendonly", "no", "--maxmemory", "2gb", "--maxmemory-policy", "allkeys-lru", "--dir", l.Folder)
	if err != nil {
		return nil, "", err
	}
	return p, address, p.until(ctx, func(ctx context.Context) bool { return listens(ctx, address) })
}

// Stop ends processes, the last one first.
func (l *Lab) Stop(processes ...*Process) error {
	var errs []error
	for _, p := range slices.Backward(processes) {
		errs = append(errs, p.Stop())
		l.running = slices.DeleteFunc(l.running, func(other *Process) bool { return other == p })
	}
	return errors.Join(errs...)
}

// Close stops all that runs and removes the folder.
func (l *Lab) Close() error {
	err := l.Stop(slices.Clone(l.running)...)
	return errors.Join(err, os.RemoveAll(l.Folder))
}

// StandIns are the servers that a service asks, and how long each takes.
type StandIns struct {
	Model, Embedding, Vector time.Duration
}

// StartStandIns returns the address of stand-ins for model, embedding and vector
// store.
func (l *Lab) StartStandIns(ctx context.Context, s StandIns) (*Process, string, error) {
	return l.serve(ctx, "stand-ins", l.OtherCores, "-kind", "standin",
		"-model", s.Model.String(), "-embedding", s.Embedding.String(), "-vector", s.Vector.String())
}

// StartSlowRedis returns the address of a relay that holds back what Redis says.
func (l *Lab) StartSlowRedis(ctx context.Context, delay time.Duration) (*Process, string, error) {
	return l.serve(ctx, "slow-redis", l.OtherCores, "-kind", "delay", "-delay", delay.String(), "-redis", l.RedisAddress)
}

// serve runs a server of hack/perf/serve.
func (l *Lab) serve(ctx context.Context, name, cores string, args ...string) (*Process, string, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	p, err := l.start(name, cores, nil, nil, append([]string{l.Binary("serve"), "-address", address}, args...)...)
	if err != nil {
		return nil, "", err
	}
	return p, address, p.until(ctx, func(ctx context.Context) bool { return listens(ctx, address) })
}
