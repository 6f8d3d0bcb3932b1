package server

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/testredis"
)

// redisFixture is a Redis that can be broken in every way, and the file that holds
// its password.
type redisFixture struct {
	*testredis.Server
	proxy    *testredis.Proxy
	password string // the file
	admin    *redis.Client
}

func newRedisFixture(t *testing.T) *redisFixture {
	t.Helper()
	f := &redisFixture{Server: testredis.Start(t, "--requirepass", "first"), password: filepath.Join(t.TempDir(), "password")}
	f.proxy = testredis.StartProxy(t, f.Server)
	write(t, f.password, "first\n")
	f.admin = redis.NewClient(&redis.Options{Addr: f.Addr, Password: "first", DisableIdentity: true})
	t.Cleanup(func() { f.admin.Close() })
	return f
}

// set changes the server's configuration.
func (f *redisFixture) set(t *testing.T, name, value string) {
	t.Helper()
	if err := f.admin.ConfigSet(context.WithoutCancel(t.Context()), name, value).Err(); err != nil {
		t.Fatal(err)
	}
}

func (f *redisFixture) config() string {
	return withStore("{memory: {documents: [DOCUMENTS]}}") +
		// Ten times the usual budget, so that a busy machine is no slow Redis.
		"cache: {budget: 250ms, redis: {addresses: ['" + f.proxy.Addr + "'], passwordFile: '" + f.password + "', poolSize: 10}}\n"
}

// TestQueriesWithoutRedis breaks the real Redis in every way: each query is
// answered, and none waits for longer than the cache's budget allows.
func TestQueriesWithoutRedis(t *testing.T) {
	tests := []struct {
		name       string
		fail, mend func(*testing.T, *redisFixture)
		wantDuring string // X-Cache of what was kept before
		wantAfter  string // and of the first time it is asked afterwards
	}{
		{
			name: "killed and restarted empty", wantDuring: "MISS", wantAfter: "MISS",
			fail: func(_ *testing.T, f *redisFixture) { f.Kill() },
			mend: func(_ *testing.T, f *redisFixture) { f.Restart() },
		},
		{
			name: "stopped", wantDuring: "MISS", wantAfter: "HIT-L2",
			fail: func(_ *testing.T, f *redisFixture) { f.Stop() },
			mend: func(_ *testing.T, f *redisFixture) { f.Continue() },
		},
		{
			name: "slow", wantDuring: "MISS", wantAfter: "HIT-L2",
			fail: func(_ *testing.T, f *redisFixture) { f.proxy.SetDelay(time.Second) },
			mend: func(_ *testing.T, f *redisFixture) { f.proxy.SetDelay(0) },
		},
		{
			name: "out of memory", wantDuring: "HIT-L2", wantAfter: "HIT-L2", // reads still work
			fail: func(t *testing.T, f *redisFixture) { f.set(t, "maxmemory", "1") },
			mend: func(t *testing.T, f *redisFixture) { f.set(t, "maxmemory", "0") },
		},
		{
			name: "wrong password until the file has the right one", wantDuring: "MISS", wantAfter: "HIT-L2",
			fail: func(t *testing.T, f *redisFixture) {
				f.set(t, "requirepass", "second")
				if err := f.admin.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
					t.Fatal(err)
				}
			},
			mend: func(t *testing.T, f *redisFixture) { write(t, f.password, "second\n") },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newRedisFixture(t)
			r := run(t, f.config())
			ask := func(question string) string {
				got := r.query(t, `{"query": "`+question+`"}`)
				if got.status != http.StatusOK {
					t.Fatalf("%d %s", got.status, got.body)
				}
				return got.header.Get("X-Cache")
			}
			waitFor(t, "a hit in Redis", func() bool { return ask("before") == "HIT-L2" })

			tt.fail(t, f)
			for _, got := range r.crowd(t, 40, "/query", questions("during", "")) {
				if got.status != http.StatusOK || got.header.Get("X-Cache") != "MISS" {
					t.Errorf("got %d, X-Cache %s, %s; want an answer", got.status, got.header.Get("X-Cache"), got.body)
				}
			}
			if tt.wantDuring == "MISS" {
				waitFor(t, "the breaker to open", func() bool {
					ask("another")
					return strings.Contains(r.do(t, http.MethodGet, r.admin+"/status", "").body, `"Unreachable"`)
				})
			} else {
				waitFor(t, "the metrics to count the answers that were not kept", func() bool {
					return strings.Contains(r.do(t, http.MethodGet, r.admin+"/metrics", "").body, "\nrag_cache_write_dropped_total{reason=\"out_of_memory\"} 40\n")
				})
			}
			for range 5 {
				if got := ask("before"); got != tt.wantDuring {
					t.Errorf("kept before: X-Cache %s, want %s", got, tt.wantDuring)
				}
			}
			r.wantHealthyProcess(t)

			tt.mend(t, f)
			waitFor(t, "Redis to be reachable", func() bool {
				return strings.Contains(r.do(t, http.MethodGet, r.admin+"/status", "").body, `"Reachable"`)
			})
			if got := ask("before"); got != tt.wantAfter {
				t.Errorf("the first time afterwards: X-Cache %s, want %s", got, tt.wantAfter)
			}
			waitFor(t, "a hit in Redis again", func() bool { return ask("after") == "HIT-L2" })
			wantConnections(t, f, 10)
		})
	}
}

// wantConnections checks that no more connections are left open than the pool may
// hold, and the one that follows invalidations.
func wantConnections(t *testing.T, f *redisFixture, pool int) {
	t.Helper()
	var admin *redis.Client
	for _, password := range []string{"first", "second"} {
		admin = redis.NewClient(&redis.Options{Addr: f.Addr, Password: password, DisableIdentity: true, PoolSize: 1})
		defer admin.Close()
		if admin.Ping(t.Context()).Err() == nil {
			break
		}
	}
	waitFor(t, "connections to be given back", func() bool {
		var n int
		for line := range strings.SplitSeq(admin.Info(t.Context(), "clients").Val(), "\r\n") {
			_, _ = fmt.Sscanf(line, "connected_clients:%d", &n)
		}
		return n > 0 && n <= pool+1+2 // and those of this test
	})
}

// TestAnOutageIsLoggedOnce asks many questions while Redis is gone: a line for
// each of them would be the next failure.
func TestAnOutageIsLoggedOnce(t *testing.T) {
	f := newRedisFixture(t)
	logged := captureLog(t, slog.LevelInfo)
	r := runWith(t, f.config(), func(o *Options) { o.Log = slog.Default() })
	waitFor(t, "a hit in Redis", func() bool { return r.query(t, `{"query": "a"}`).header.Get("X-Cache") == "HIT-L2" })
	f.Kill()
	lines := logged.lines()
	for range 10 {
		r.crowd(t, 20, "/query", questions("during", ""))
	}
	if got := logged.lines()[len(lines):]; len(got) != 1 || !strings.Contains(got[0], "Redis does not answer in time") {
		t.Errorf("200 queries without Redis logged %d lines, want one that says so:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// logBuffer is a log that a test reads while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) lines() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Split(strings.TrimSuffix(b.buf.String(), "\n"), "\n")
}

// captureLog makes the process's log one that the test can read, until it ends.
func captureLog(t testing.TB, level slog.Level) *logBuffer {
	t.Helper()
	var b logBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: level})))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &b
}
