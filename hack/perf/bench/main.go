// Command bench runs every server of a benchmark on this machine, measures the
// query runtime beside the baselines, and writes the results down: make bench.
// With -render it only writes the pages from the results that are there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/hack/perf/bench/scenario"
)

// pinned tells the program that it runs on its own cores by now, and which those
// of the services are.
const pinned = "RAGSERVICE_BENCH_CORES"

// The main goroutine stays on the main thread: the servers end with the thread
// that started them.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) // The servers are stopped by now; the process ends, and with it the signal handler.
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	root := flags.String("root", ".", "the root of the repository")
	quick := flags.Bool("quick", false, "a short run; its results go to bin/bench, not to the documentation")
	only := flags.String("only", "", "scenarios to run, separated by commas; the results go to bin/bench")
	render := flags.Bool("render", false, "measure nothing: write the pages from hack/perf/results.json")
	profile := flags.String("cpuprofile", "", "write a CPU profile of the load generator to this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	folder, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	to := repository(folder)
	if *render {
		results, err := result.Read(to.results)
		if err != nil {
			return err
		}
		return to.pages(results)
	}
	serviceCores, otherCores, err := split()
	if err != nil {
		return err
	}
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	if *quick || names != nil {
		to = scratch(filepath.Join(folder, "bin", "bench"))
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	results, err := measure(ctx, folder, serviceCores, otherCores, *quick, names)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to.images, 0o755); err != nil { //nolint:gosec // A folder of the repository.
		return err
	}
	if err := errors.Join(results.Write(to.results), to.pages(results)); err != nil {
		return err
	}
	say("results in %s, pages in %s", to.results, to.page)
	return nil
}

// split divides the cores, and starts the program anew on those that services do
// not use.
func split() (service, others string, err error) {
	if cores, found := os.LookupEnv(pinned); found {
		service, others, _ = strings.Cut(cores, " ")
		return service, others, nil
	}
	service, others, err = lab.Cores()
	if err != nil || others == "" {
		return "", "", err
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return "", "", fmt.Errorf("the program taskset of util-linux is missing: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", "", err
	}
	// At least two threads: the one that sleeps until a question is due must not
	// keep answers waiting.
	threads := max(2, 1+strings.Count(others, ","))
	env := append(os.Environ(), pinned+"="+service+" "+others, fmt.Sprintf("GOMAXPROCS=%d", threads))
	return "", "", syscall.Exec(taskset, append([]string{"taskset", "-c", others, self}, os.Args[1:]...), env)
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

func measure(ctx context.Context, root, serviceCores, otherCores string, quick bool, only []string) (_ *result.Results, err error) {
	if err := raiseOpenFiles(); err != nil {
		return nil, err
	}
	// The services choose their own; only this program is told.
	if err := os.Unsetenv("GOMAXPROCS"); err != nil {
		return nil, err
	}
	results := &result.Results{Started: time.Now().UTC().Round(time.Second), Quick: quick}
	if results.Machine, err = machine(serviceCores, otherCores); err != nil {
		return nil, err
	}
	results.Versions = versions(ctx, root)
	say("building, and starting Redis and PostgreSQL")
	l, err := lab.Open(ctx, root, "", serviceCores, otherCores)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	suite := &scenario.Suite{Lab: l, Quick: quick, Say: say}
	if results.Scenarios, err = suite.Run(ctx, only...); err != nil {
		return nil, err
	}
	results.Seconds = time.Since(results.Started).Round(time.Second).Seconds()
	return results, nil
}

// raiseOpenFiles lets this program and its servers open as many files as they are
// allowed: thousands in flight are as many connections, at either end.
func raiseOpenFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	const enough = 16_384
	if limit.Max < enough {
		return fmt.Errorf("a process may open %d files, and the benchmark needs %d: ulimit -n %d", limit.Max, enough, enough)
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
