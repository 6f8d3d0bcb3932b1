// Package testpostgres runs PostgreSQL servers for tests: Debian's, to be stopped
// and frozen at will, and PGlite, which is PostgreSQL with pgvector compiled to
// WebAssembly. No program may import it.
package testpostgres

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout is ample for a busy machine.
const startTimeout = time.Minute

// Server is a PostgreSQL of Debian's package, with a database of its own.
type Server struct {
	// DSN connects as the superuser, with the password "secret".
	DSN string

	t      testing.TB
	bin    string
	folder string
	port   int
	cmd    *exec.Cmd
}

// Start runs a server until the test ends. The test is skipped where PostgreSQL
// is not installed.
func Start(t testing.TB) *Server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed (apt-get install postgresql)")
	}
	slices.Sort(found)
	// Not t.TempDir: its parent is closed to the user that the server runs as.
	folder, err := os.MkdirTemp("", "testpostgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	s := &Server{t: t, bin: found[len(found)-1], folder: folder, port: freePort(t)}
	s.DSN = fmt.Sprintf("postgres://postgres:secret@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	password := filepath.Join(folder, "password")
	if err := os.WriteFile(password, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := s.credential(); c != nil {
		for _, path := range []string{folder, password} {
			if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	out, err := s.command("initdb", "--pgdata", filepath.Join(folder, "data"), "--username", "postgres",
		"--auth", "scram-sha-256", "--pwfile", password, "--encoding", "UTF8", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// command runs a program of the server as a user who is not root, which
// PostgreSQL refuses.
func (s *Server) command(name string, args ...string) *exec.Cmd {
	// It outlives the test's context, which ends before the cleanup that stops it.
	cmd := exec.CommandContext(context.WithoutCancel(s.t.Context()), filepath.Join(s.bin, name), args...)
	cmd.Dir = s.folder
	if c := s.credential(); c != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c}
	}
	return cmd
}

func (s *Server) credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		s.t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Restart starts the server, which was stopped, on the same port.
func (s *Server) Restart() {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.folder, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = s.command("postgres", "-D", filepath.Join(s.folder, "data"), "-p", strconv.Itoa(s.port), "-k", s.folder,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=20")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	waitFor(s.t, s.DSN)
}

// Stop ends the server at once and cuts its connections; a second call does
// nothing.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.Continue()
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		s.t.Errorf("stop PostgreSQL: %v", err)
	}
	_ = s.cmd.Wait() // it ends with a status, having been cut short
	s.cmd = nil
}

// Freeze stops the server and its sessions without closing a connection;
// [Server.Continue] wakes them.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Continue ends a freeze.
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

// signal reaches the server and its children, one for each connection.
func (s *Server) signal(sig syscall.Signal) {
	pid := s.cmd.Process.Pid
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Errorf("signal PostgreSQL: %v", err)
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for child := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(pid, sig) // a session may have ended just now
		}
	}
}

// StartPGVector runs a PostgreSQL with the pgvector extension until the test ends
// and returns its connection string. All its connections share one session, so
// prepared statements must have no name: see pgx's default_query_exec_mode. The
// test is skipped where node or the packages of hack/pglite are not installed.
func StartPGVector(t testing.TB) (dsn string) {
	t.Helper()
	folder := filepath.Join(moduleRoot(t), "hack", "pglite")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Skip("PGlite is not installed (npm ci --prefix hack/pglite)")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "server.mjs")
	cmd.Dir = folder
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("node cannot be run: %v (apt-get install nodejs)", err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop PGlite: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("PGlite did not start: %v", err)
	}
	dsn = "postgres://postgres:postgres@127.0.0.1:" + strings.TrimSpace(line) + "/postgres?sslmode=disable"
	waitFor(t, dsn)
	return dsn
}

// Exec runs statements.
func Exec(t testing.TB, dsn, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.PgConn().Exec(t.Context(), statements).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until the server lets a client in.
func waitFor(t testing.TB, dsn string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			conn.Close(ctx)
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("PostgreSQL did not start: %v", err)
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// moduleRoot is the folder of go.mod, above the folder the test runs in.
func moduleRoot(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("the test does not run within the module")
		}
		folder = parent
	}
}
