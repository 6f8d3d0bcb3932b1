// Command floors measures the query runtime against the floors that floors.yaml
// commits it to, and fails where one is not kept: what a hit costs beside a bare Go
// server, what a miss adds to its upstreams, thousands of queries in flight, start
// and memory. It builds the runtime as a release does and runs it as a process of
// its own, next to a real redis-server and the stand-ins of hack/perf/standin.
//
// What can be compared is compared within one run, in turns, so that the machine
// and what else runs on it meets both sides. Run it by "make perf".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
)

// exitMissed is the exit code where a floor was not kept, as with ragctl.
const exitMissed = 3

var errMissed = errors.New("a floor was not kept")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The load generator shares the cores with what it measures: it should collect
	// little.
	debug.SetGCPercent(400)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "floors:", err)
	if errors.Is(err, errMissed) {
		os.Exit(exitMissed) // The process ends, and with it the signal handler.
	}
	os.Exit(1)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("floors", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "the repository's root")
	only := flags.String("run", "", "the `names` of floors to measure, separated by commas; all where it is empty")
	bin := flags.String("bin", "", "the `folder` with the programs runtime and serve; they are built where it is empty")
	rounds := flags.Int("rounds", 7, "how often each is measured")
	write := flags.Bool("write", false, "write the figures into floors.yaml and docs/performance.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	file, page := filepath.Join(*root, bookFile), filepath.Join(*root, pageFile)
	b, err := readBook(file)
	if err != nil {
		return err
	}
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	for _, name := range names {
		if !slices.ContainsFunc(b.Floors, func(f floor) bool { return f.Name == name }) {
			return fmt.Errorf("there is no floor %q in %s", name, bookFile)
		}
	}
	l, err := openLab(ctx, *root, *bin, *rounds, stderr)
	if err != nil {
		return err
	}
	defer l.close()
	missed, err := b.measure(ctx, l, names, stdout)
	if err != nil {
		return err
	}
	if *write {
		b.Machine = machine()
		if err := b.save(file, page); err != nil {
			return err
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(missed, ", "))
	}
	return nil
}

// measure runs the suites that the named floors are of, and returns the names of
// those that were not kept.
func (b *book) measure(ctx context.Context, l *lab, names []string, out io.Writer) (missed []string, err error) {
	wanted := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	for i := range suites {
		s := &suites[i]
		if !slices.ContainsFunc(s.floors, wanted) {
			continue
		}
		fmt.Fprintf(l.log, "measuring %s\n", strings.Join(s.floors, ", "))
		figures, err := s.run(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(s.floors, ", "), err)
		}
		for i := range b.Floors {
			f := &b.Floors[i]
			if len(figures[f.Name]) == 0 || !wanted(f.Name) {
				continue
			}
			got := f.spreadOf(figures[f.Name])
			verdict := "kept"
			if !f.met(got) {
				verdict, missed = "NOT KEPT", append(missed, f.Name)
			}
			fmt.Fprintf(out, "%-18s %-9s %-12s [%g … %g] in %d rounds, wanted %s\n",
				f.Name, verdict, f.figure(got.Median), got.Low, got.High, got.Rounds, f.bound())
			f.Measured = &got
		}
	}
	return missed, nil
}
