package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The time that a server has to become ready, and to end when it is asked to.
const (
	readyTimeout = time.Minute
	stopTimeout  = 5 * time.Second
)

// Process is a server that the lab started, in a process group of its own: a
// Ctrl-C at the terminal reaches the lab alone, which then stops its servers in
// order.
type Process struct {
	Name string
	PID  int

	log    string
	exited chan struct{}
}

// start runs a program on the given cores, its output in a file of the lab's
// folder. It must be called on the main thread: the kernel ends the program when
// the thread that started it ends, so that even a lab that was killed leaves
// nothing behind.
func (l *Lab) start(name, cores string, env []string, as *syscall.Credential, args ...string) (*Process, error) {
	if cores != "" {
		args = append([]string{"taskset", "-c", cores}, args...)
	}
	l.started++
	p := &Process{Name: name, log: filepath.Join(l.Folder, fmt.Sprintf("%02d-%s.log", l.started, name)), exited: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Stop ends it; a context would only kill it.
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = l.Folder
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: as}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.PID = cmd.Process.Pid
	l.running = append(l.running, p)
	go func() {
		// How it ended is in its log.
		_ = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Stop asks the whole group to end, and after a while ends it.
func (p *Process) Stop() error {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(-p.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop %s: %w", p.Name, err)
		}
		patience := time.NewTimer(stopTimeout)
		select {
		case <-p.exited:
			patience.Stop()
			// Workers that outlived their parent.
			_ = syscall.Kill(-p.PID, syscall.SIGKILL)
			return nil
		case <-patience.C:
		}
	}
	return fmt.Errorf("%s does not end", p.Name)
}

// until polls a condition, often enough for a start to be timed by it.
func (p *Process) until(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !ready(ctx) {
		select {
		case <-again.C:
		case <-p.exited:
			return fmt.Errorf("%s ended:\n%s", p.Name, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.Name, context.Cause(ctx), p.tail())
		}
	}
	return nil
}

// answers says whether a GET of the URL gives 200.
func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// listens says whether a TCP connection can be opened.
func listens(ctx context.Context, address string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// tail is the end of the server's log.
func (p *Process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// freeAddress is a loopback address that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
