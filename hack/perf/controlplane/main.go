// Command controlplane measures what the operator costs a cluster: a real operator,
// as a process of its own, brings many new RAGServices to completion on a real
// kube-apiserver and etcd, right after a bare client has applied the same objects to
// another one with as many requests at once. There are no nodes: no pod runs, and what
// is measured is the operator and the API server alone.
//
// Everything begins with a new API server, so that no run meets what one before it
// left, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// exitMissed is the exit code where a floor was not kept, as with ragctl.
const exitMissed = 3

var errMissed = errors.New("a floor was not kept")

type options struct {
	operator    string
	sizes       []int
	concurrency int
	secrets     int
	idle        time.Duration
	rounds      int
	crds        []string
	profiles    string
	result      string
	page        string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o := options{sizes: []int{200, 1000}, crds: []string{"config/crd/rag.ragops.dev_ragservices.yaml", "controllers/testdata/crds"}}
	flag.StringVar(&o.operator, "operator", "bin/operator", "the operator's program")
	flag.Func("sizes", "numbers of services, separated by commas (default 200,1000)", func(s string) (err error) {
		o.sizes, err = numbers(s)
		return err
	})
	flag.IntVar(&o.concurrency, "concurrency", 8, "services that the operator, and the bare client, work on at once")
	flag.IntVar(&o.secrets, "secrets", 10_000, "Secrets that no service names, for the run that measures what they cost; 0 leaves it out")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long nothing happens after the services are complete")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each size is measured; the medians count")
	flag.StringVar(&o.profiles, "profiles", "", "folder for CPU and heap profiles of the operator; none where it is empty")
	flag.StringVar(&o.result, "result", "", "file to write the result to")
	flag.StringVar(&o.page, "page", "", "page to write the table into")
	flag.Parse()
	log.SetLogger(logr.Discard())
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		if errors.Is(err, errMissed) {
			os.Exit(exitMissed) // the process ends, and with it the signal handler
		}
		os.Exit(1)
	}
}

func numbers(list string) ([]int, error) {
	var all []int
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of services", field)
		}
		all = append(all, n)
	}
	return all, nil
}

func run(ctx context.Context, o options) error {
	result := &Result{Cores: runtime.NumCPU(), Concurrency: o.concurrency, IdleSeconds: o.idle.Seconds()}
	var err error
	if result.Base, err = base(ctx, o, result); err != nil {
		return err
	}
	for _, services := range o.sizes {
		var rounds []Run
		for round := range o.rounds {
			progress("%d services, round %d of %d", services, round+1, o.rounds)
			r, err := measure(ctx, o, services, round == o.rounds-1)
			if err != nil {
				return fmt.Errorf("%d services: %w", services, err)
			}
			rounds = append(rounds, r)
		}
		result.Runs = append(result.Runs, median(rounds))
	}
	fmt.Print(result.Table())
	if err := section.Save(result, o.result, o.page, result.Table()); err != nil {
		return err
	}
	if missed := result.missed(); len(missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(missed, "; "))
	}
	return nil
}

// measure is one round of one size. The last round also waits through the idle
// while and looks at everything again.
func measure(ctx context.Context, o options, services int, last bool) (r Run, err error) {
	bare, err := measureBare(ctx, o, services)
	if err != nil {
		return r, fmt.Errorf("apply with the bare client: %w", err)
	}
	progress("that took %.1f s; now the operator", bare.Seconds())
	c, err := start(o.crds)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	operator, err := c.operate(ctx, o)
	if err != nil {
		return r, err
	}
	defer operator.kill()
	r = Run{Services: services, BareSeconds: bare.Seconds()}
	if err := operator.fill(ctx, o, &r); err != nil || !last {
		return r, err
	}
	return r, operator.rest(ctx, o, services, &r)
}

// measureBare is how long a bare client takes, on an API server of its own: one that has
// many Services already is slower to make more.
func measureBare(ctx context.Context, o options, services int) (took time.Duration, err error) {
	progress("applying the same with a bare client")
	c, err := start(o.crds)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	return c.applyBare(ctx, services, o.concurrency)
}

// fill is the services' way to completion, until the operator is at rest again: what
// it still wrote after the last status counts as well.
func (op *operator) fill(ctx context.Context, o options, r *Run) error {
	cpu, err := op.cpu()
	if err != nil {
		return err
	}
	profiled := op.profile(ctx, strconv.Itoa(r.Services))
	took, err := op.cluster.complete(ctx, r.Services, o.concurrency)
	if err != nil {
		return err
	}
	r.Seconds = took.Seconds()
	progress("that took %.1f s, %.2f times as long", r.Seconds, r.ratio())
	if err := errors.Join(profiled(), op.settle(ctx)); err != nil {
		return err
	}
	done, err := op.cpu()
	if err != nil {
		return err
	}
	r.CPUSeconds = done - cpu
	asked, err := op.cluster.audit.since()
	r.Writes, r.Reads = asked.perService(r.Services)
	return err
}

// rest is what follows on completion: nothing for a while, then a look at all.
func (op *operator) rest(ctx context.Context, o options, services int, r *Run) error {
	progress("letting %s pass", o.idle)
	if err := wait(ctx, o.idle); err != nil {
		return err
	}
	idle, err := op.cluster.audit.since()
	if err != nil {
		return err
	}
	r.IdleWrites = idle.writes()
	for name, n := range idle {
		progress("idle: %d %s", n, name)
	}
	if r.Memory, err = op.memory(ctx); err != nil {
		return err
	}
	if err := op.saveHeap(ctx, strconv.Itoa(services)); err != nil {
		return err
	}
	progress("having all looked at again")
	if r.Touched, err = op.resync(ctx, services, op.cluster.touch); err != nil {
		return fmt.Errorf("look at all again: %w", err)
	}
	op.kill()
	r.Restarted, err = op.again(ctx, o)
	return err
}

// base is the run that the memory of the others is compared with: a hundred
// services, and then the same with many Secrets that are none of the operator's.
func base(ctx context.Context, o options, result *Result) (b Base, err error) {
	progress("%d services, and %d Secrets that are none of theirs", baseServices, o.secrets)
	c, err := start(o.crds)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	op, err := c.operate(ctx, o)
	if err != nil {
		return b, err
	}
	defer func() { op.kill() }()
	if _, err = c.complete(ctx, baseServices, o.concurrency); err != nil {
		return b, err
	}
	if err = errors.Join(op.settle(ctx), wait(ctx, o.idle)); err != nil {
		return b, err
	}
	if b.Memory, err = op.memory(ctx); err != nil {
		return b, err
	}
	if err = op.saveHeap(ctx, "base"); err != nil {
		return b, err
	}
	result.Children = c.children
	if o.secrets == 0 {
		return b, nil
	}
	b.Secrets = o.secrets
	restarted := func() (Memory, error) {
		op.kill()
		if op, err = c.operate(ctx, o); err != nil {
			return Memory{}, err
		}
		if err := op.settle(ctx); err != nil {
			return Memory{}, err
		}
		return op.memory(ctx)
	}
	if b.Restarted, err = restarted(); err != nil {
		return b, err
	}
	if err = c.unrelated(ctx, o.secrets); err != nil {
		return b, fmt.Errorf("make the Secrets: %w", err)
	}
	if err = op.settle(ctx); err != nil {
		return b, err
	}
	if b.WithSecrets, err = op.memory(ctx); err != nil {
		return b, err
	}
	b.RestartedWithSecrets, err = restarted()
	return b, err
}

// progress tells whoever waits what happens.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// wait lets time pass: that nothing happens in it is what is measured.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
