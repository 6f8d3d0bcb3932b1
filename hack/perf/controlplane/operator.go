package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

// operator is a process of its own, so that its cost is nobody else's.
type operator struct {
	cluster  *cluster
	command  *exec.Cmd
	profiler string
	folder   string
	ended    bool
}

// operate starts the operator and waits until it has looked at one service: then
// its caches are filled and it knows what the API server serves.
func (c *cluster) operate(ctx context.Context, o options) (*operator, error) {
	if c.kube == "" {
		if _, err := c.user(operatorUser); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	op := &operator{cluster: c, profiler: "http://" + address, folder: o.profiles}
	op.command = exec.CommandContext(ctx, o.operator,
		"--kubeconfig="+c.kube, "--namespace="+operatorNamespace, "--runtime-image="+runtimeImage, "--profiling-address="+address,
		"--metrics-address=0", "--probe-address=0", "--log-level=error", "--concurrency="+strconv.Itoa(o.concurrency))
	op.command.Stderr = os.Stderr
	if err := op.command.Start(); err != nil {
		return nil, err
	}
	if err := op.warm(ctx); err != nil {
		op.kill()
		return nil, fmt.Errorf("the operator does not work: %w", err)
	}
	return op, nil
}

// warm asks for a service, or for a change of the one of before, and waits until
// the operator has seen to it.
func (op *operator) warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := service(warmUp, warmUp)
	err := op.cluster.client.Get(ctx, client.ObjectKeyFromObject(s), s)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return err
	case err != nil:
		err = op.cluster.client.Create(ctx, s)
	default:
		s.Spec.VectorStore.TopK++
		err = op.cluster.client.Update(ctx, s)
	}
	if err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for s.Status.ObservedGeneration != s.Generation {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		s = &v1alpha1.RAGService{ObjectMeta: s.ObjectMeta}
		if err := op.cluster.client.Get(ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return err
		}
	}
	return op.settle(ctx)
}

func (op *operator) kill() {
	if op.ended {
		return
	}
	op.ended = true
	_ = op.command.Process.Kill() // it may have ended already
	_ = op.command.Wait()
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// cpu is the CPU time that the operator has used so far, in seconds.
func (op *operator) cpu() (float64, error) {
	processes, err := usage.NewProcesses(op.command.Process.Pid)
	if err != nil {
		return 0, err
	}
	return processes.CPUSeconds()
}

// settle waits until the operator has used no CPU time to speak of for a while.
func (op *operator) settle(ctx context.Context) error {
	const (
		window = 2 * time.Second
		idle   = 0.03 // seconds in a window
	)
	tick := time.NewTicker(window)
	defer tick.Stop()
	before, err := op.cpu()
	for {
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var now float64
		now, err = op.cpu()
		if err == nil && now-before <= idle {
			return nil
		}
		before = now
	}
}

// resync lets something happen that makes the operator look at all services, and
// returns what that costs it.
func (op *operator) resync(ctx context.Context, services int, happen func(context.Context, int) error) (Resync, error) {
	if _, err := op.cluster.audit.since(); err != nil {
		return Resync{}, err
	}
	before, err := op.cpu()
	if err != nil {
		return Resync{}, err
	}
	if err := errors.Join(happen(ctx, services), op.settle(ctx)); err != nil {
		return Resync{}, err
	}
	return op.since(before)
}

func (op *operator) since(cpu float64) (Resync, error) {
	now, err := op.cpu()
	if err != nil {
		return Resync{}, err
	}
	asked, err := op.cluster.audit.since()
	return Resync{Writes: asked.writes(), CPUSeconds: now - cpu}, err
}

// again is what a new operator's first look at all services costs.
func (op *operator) again(ctx context.Context, o options) (Resync, error) {
	if _, err := op.cluster.audit.since(); err != nil {
		return Resync{}, err
	}
	next, err := op.cluster.operate(ctx, o) // and settle
	if err != nil {
		return Resync{}, err
	}
	defer next.kill()
	return next.since(0)
}

// memory is what the operator takes now: of the machine, at most since it began,
// and what is alive on its heap.
func (op *operator) memory(ctx context.Context) (Memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", op.command.Process.Pid))
	if err != nil {
		return Memory{}, err
	}
	m := Memory{ResidentBytes: kilobytes(status, "VmRSS:"), PeakBytes: kilobytes(status, "VmHWM:")}
	heap, err := op.debug(ctx, "heap?gc=1&debug=1")
	if err != nil {
		return Memory{}, err
	}
	const alive = "# HeapAlloc = "
	lines := bufio.NewScanner(bytes.NewReader(heap))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), alive); ok {
			m.HeapBytes, err = strconv.ParseInt(value, 10, 64)
		}
	}
	if m.ResidentBytes == 0 || m.PeakBytes == 0 || m.HeapBytes == 0 {
		err = errors.Join(err, errors.New("the operator's memory cannot be read"))
	}
	return m, errors.Join(err, lines.Err())
}

func kilobytes(status []byte, field string) int64 {
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64) // 0 is no memory
			return n << 10
		}
	}
	return 0
}

func (op *operator) debug(ctx context.Context, what string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, op.profiler+"/debug/pprof/"+what, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", what, response.Status)
	}
	return io.ReadAll(response.Body)
}

// profile records the operator's CPU for a while, where that is asked for; the
// function returned waits until it has.
func (op *operator) profile(ctx context.Context, name string) func() error {
	if op.folder == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		data, err := op.debug(ctx, "profile?seconds=10")
		if err == nil {
			err = os.WriteFile(filepath.Join(op.folder, "cpu-"+name), data, 0o644)
		}
		done <- err
	}()
	return func() error { return <-done }
}

func (op *operator) saveHeap(ctx context.Context, name string) error {
	if op.folder == "" {
		return nil
	}
	data, err := op.debug(ctx, "heap?gc=1")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(op.folder, "heap-"+name), data, 0o644)
}
