// Package testredis starts Debian's redis-server for tests, on a free port of the
// loopback interface, and takes it away again. It can be stopped, killed and
// started anew in the middle of a test; only the process that it started itself
// is ever signalled.
//
// Only tests may import it.
package testredis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long a server may take to be ready; it needs about 10 ms.
const startTimeout = 10 * time.Second

// Server is a running redis-server.
type Server struct {
	// Addr is host:port.
	Addr string

	tb   testing.TB
	dir  string
	conf string // the configuration file's content
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process is gone
}

// Start runs a redis-server that keeps nothing on disk, until the test ends.
// Args are added to its command line, such as "--requirepass", "secret".
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	port := freePort(tb)
	args = append([]string{"--port", port, "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"}, args...)
	return start(tb, port, "", args)
}

func start(tb testing.TB, port, conf string, args []string) *Server {
	tb.Helper()
	dir := tb.TempDir()
	args = append([]string{"--bind", "127.0.0.1", "--dir", dir}, args...)
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), tb: tb, dir: dir, conf: conf, args: args}
	s.Restart()
	tb.Cleanup(s.Kill)
	return s
}

// Restart starts the server again on its port, empty, after Kill.
func (s *Server) Restart() {
	s.tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.tb.Fatal("redis-server is not installed; on Debian: apt-get install redis-server")
	}
	conf := filepath.Join(s.dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(s.conf), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	s.cmd = exec.Command(path, append([]string{conf}, s.args...)...) //nolint:noctx // ends with Kill, which also reaps it
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ready, done := make(chan error, 1), make(chan struct{})
	s.done = done
	go watch(s.cmd, out, ready, done)
	select {
	case err := <-ready:
		if err != nil {
			s.tb.Fatalf("redis-server did not start: %v", err)
		}
	case <-time.After(startTimeout):
		s.Kill()
		s.tb.Fatalf("redis-server was not ready within %s", startTimeout)
	}
}

// watch reports when the server says that it is ready, or what it said instead,
// and reaps it when it ends.
func watch(cmd *exec.Cmd, out io.Reader, ready chan<- error, done chan<- struct{}) {
	defer close(done)
	var said strings.Builder
	lines := bufio.NewScanner(out)
	told := false
	for lines.Scan() {
		line := lines.Text()
		if told {
			continue
		}
		fmt.Fprintln(&said, line)
		if strings.Contains(line, "Ready to accept connections") || strings.Contains(line, "+monitor master") {
			told = true
			ready <- nil
		}
	}
	err := cmd.Wait()
	if !told {
		ready <- errors.Join(errors.New(said.String()), err)
	}
}

// Kill ends the server at once, as a node that dies does. It may be called twice.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL)
	<-s.done
}

// Stop freezes the server: connections stay open and nothing is answered.
func (s *Server) Stop() { s.signal(syscall.SIGSTOP) }

// Continue ends Stop.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	select {
	case <-s.done: // the id may belong to somebody else by now
		return
	default:
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("signal redis-server: %v", err)
	}
}

func freePort(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed on the next line
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
