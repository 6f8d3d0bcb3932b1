// Command profile says what a query costs the runtime: CPU time, allocations and
// commands to Redis for each answer, beside a bare server that does the same work,
// in one run in which both take turns. With -out it also writes CPU and allocation
// profiles of the runtime:
//
//	go run ./hack/perf/profile -only miss -out /tmp/profiles
//	go tool pprof -top /tmp/profiles/miss-cpu.pprof
//
// Of questions in flight (-only in-flight) it says what memory each of them holds.
//
// It counts CPU time and no latencies, so that it says something on a machine that
// has other things to do as well. It writes nothing into the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
)

// The main goroutine stays on the main thread: the servers end with the thread
// that started them.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1) // The servers are stopped by now; the process ends, and with it the signal handler.
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("profile", flag.ContinueOnError)
	root := flags.String("root", ".", "the root of the repository")
	only := flags.String("only", "", "ways of a query to measure, separated by commas, of "+strings.Join(names(), ", "))
	bin := flags.String("bin", "", "a `folder` with runtime and serve, built already")
	p := &profiler{}
	flags.IntVar(&p.rounds, "rounds", 3, "how often each side has its turn")
	flags.IntVar(&p.clients, "clients", 64, "how many ask side by side, one question after another")
	flags.DurationVar(&p.slice, "slice", 2*time.Second, "how long a turn is")
	flags.StringVar(&p.out, "out", "", "write profiles of the runtime to this `folder`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := choose(*only)
	if err != nil {
		return err
	}
	folder, err := filepath.Abs(*root)
	if err != nil {
		return err
	}
	if *bin != "" {
		if *bin, err = filepath.Abs(*bin); err != nil {
			return err
		}
	}
	if p.out != "" {
		if err := os.MkdirAll(p.out, 0o750); err != nil {
			return err
		}
	}
	service, others, err := lab.Cores()
	if err != nil {
		return err
	}
	if p.lab, err = lab.Open(ctx, folder, *bin, service, others); err != nil {
		return err
	}
	for _, w := range wanted {
		measure := p.measure
		if w.inFlight > 0 {
			measure = p.measureInFlight
		}
		if err = measure(ctx, w); err != nil {
			err = fmt.Errorf("%s: %w", w.name, err)
			break
		}
	}
	return errors.Join(err, p.lab.Close())
}

// way is the way of a query through the runtime.
type way struct {
	name string
	// newShare of the questions were never asked before.
	newShare float64
	// kind of the runtime, and the bare server that does the same work.
	kind, floor lab.Kind
	context     bool // whether users are looked up
	// inFlight are questions that wait for the model; where it is not 0 memory is
	// measured and not CPU time.
	inFlight int
}

var ways = []way{
	{name: "hit-local", kind: lab.Runtime, floor: lab.FloorMemory},
	{name: "hit-redis", kind: lab.RuntimeRedis, floor: lab.FloorRedis},
	{name: "miss", kind: lab.Runtime, floor: lab.FloorPath, newShare: 1},
	{name: "miss-context", kind: lab.Runtime, floor: lab.FloorPath, newShare: 1, context: true},
	{name: "in-flight", kind: lab.Runtime, floor: lab.FloorPath, newShare: 1, inFlight: 1000},
}

func names() []string {
	var all []string
	for _, w := range ways {
		all = append(all, w.name)
	}
	return all
}

func choose(only string) ([]way, error) {
	if only == "" {
		return ways, nil
	}
	var chosen []way
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(ways, func(w way) bool { return w.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no way %q: choose among %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, ways[i])
	}
	return chosen, nil
}
