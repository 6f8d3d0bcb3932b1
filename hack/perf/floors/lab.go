package main

import (
	"bufio"
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
	"syscall"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
)

// patience is how long a process may take to start or to end.
const patience = 30 * time.Second

// lab has the programs that are measured, and what starts them.
type lab struct {
	dir     string // for what the programs read and write
	runtime string
	serve   string // hack/perf/serve
	rounds  int
	log     io.Writer
}

// openLab makes a folder to work in, and builds the runtime as "make build" does and
// the servers it is compared with, unless they are in bin already.
func openLab(ctx context.Context, root, bin string, rounds int, log io.Writer) (*lab, error) {
	if rounds < 1 {
		return nil, fmt.Errorf("%d rounds measure nothing", rounds)
	}
	dir, err := os.MkdirTemp("", "floors")
	if err != nil {
		return nil, err
	}
	build := bin == ""
	if build {
		bin = dir
	}
	l := &lab{dir: dir, runtime: filepath.Join(bin, "runtime"), serve: filepath.Join(bin, "serve"), rounds: rounds, log: log}
	if !build {
		return l, nil
	}
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(ctx, "make", "--no-print-directory", "build", "BINDIR="+dir, "PROGRAMS=./cmd/runtime"),
		exec.CommandContext(ctx, "go", "build", "-o", l.serve, "./hack/perf/serve"),
	} {
		cmd.Dir, cmd.Stdout, cmd.Stderr = root, log, log
		if err := cmd.Run(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err), os.RemoveAll(dir))
		}
	}
	return l, nil
}

func (l *lab) close() {
	if err := os.RemoveAll(l.dir); err != nil {
		fmt.Fprintln(l.log, "floors:", err)
	}
}

// write puts a file into the lab and returns its path.
func (l *lab) write(name, content string) (string, error) {
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// process is a program that runs.
type process struct {
	cmd     *exec.Cmd
	address string
	output  *os.File
	ended   chan struct{}
}

// start runs a program, and kill ends it. What it says is kept for the case that
// it fails.
func (l *lab) start(ctx context.Context, address, program string, args ...string) (*process, error) {
	output, err := os.CreateTemp(l.dir, filepath.Base(program)+"-*.log")
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, program, args...), address: address, output: output, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, output.Close())
	}
	go func() {
		// How it ended is in its log; that it ended is what counts.
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop asks the process to end, and waits until it has.
func (p *process) stop() {
	defer p.output.Close()
	// Fails only where the process is gone already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// said is the end of what the process wrote, for an error.
func (p *process) said() string {
	data, err := os.ReadFile(p.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// until asks again and again whether the process is ready, at short intervals, for
// the time it takes may be what is measured.
func (p *process) until(ctx context.Context, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(500 * time.Microsecond)
	defer again.Stop()
	for !ready() {
		select {
		case <-again.C:
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", filepath.Base(p.cmd.Path), p.said())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready within %s: %s", filepath.Base(p.cmd.Path), patience, p.said())
		}
	}
	return nil
}

// listening tells whether something takes connections at the address.
func listening(ctx context.Context, address string) func() bool {
	return func() bool {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
}

// server starts a program that is ready when it takes connections.
func (l *lab) server(ctx context.Context, address, program string, args ...string) (*process, error) {
	p, err := l.start(ctx, address, program, args...)
	if err != nil {
		return nil, err
	}
	if err := p.until(ctx, listening(ctx, address)); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// redis starts a redis-server that keeps nothing on disk.
func (l *lab) redis(ctx context.Context) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	return l.server(ctx, address, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", l.dir)
}

// comparison starts a server of hack/perf/serve.
func (l *lab) comparison(ctx context.Context, kind string, args ...string) (*process, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	return l.server(ctx, address, l.serve, append([]string{"-kind", kind, "-address", address}, args...)...)
}

// measured is a runtime that runs.
type measured struct {
	*process
	admin string
	// took is the time from the start of the process to ready.
	took time.Duration
}

// service starts the runtime with a configuration, to which its addresses are
// added.
func (l *lab) service(ctx context.Context, config string) (*measured, error) {
	return l.serviceOf(ctx, config, l.runtime)
}

// serviceOf starts it by a command line, to which the configuration's is added.
func (l *lab) serviceOf(ctx context.Context, config string, command ...string) (*measured, error) {
	queries, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	path, err := l.write("runtime.yaml", fmt.Sprintf("version: ragservice/v1\nserver: {queryAddress: %q, adminAddress: %q, drainDelay: 1ms, maxInFlight: 10000}\n%s", queries, admin, config))
	if err != nil {
		return nil, err
	}
	began := time.Now()
	p, err := l.start(ctx, queries, command[0], append(command[1:], "--config", path)...)
	if err != nil {
		return nil, err
	}
	m := &measured{process: p, admin: admin}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	err = p.until(ctx, func() bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			return false
		}
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	m.took = time.Since(began)
	if err != nil {
		p.stop()
		return nil, err
	}
	return m, nil
}

// resident is the memory that the process holds, in bytes.
func (p *process) resident() (int64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kB << 10, err
		}
	}
	return 0, errors.Join(errors.New("the system does not say how much memory a process holds"), lines.Err())
}

// target is the process as the load generator asks it.
func (p *process) target(name string) (load.Target, error) {
	return load.ParseTarget(name+"=http://"+p.address, load.APIQuery)
}

// freeAddress is one of the loopback interface that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
