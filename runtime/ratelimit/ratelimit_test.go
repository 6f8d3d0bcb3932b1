package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/redisconn"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func TestMain(m *testing.M) { testredis.VerifyTestMain(m) }

func connect(t *testing.T, s *testredis.Server) *redisconn.Conn {
	t.Helper()
	conn, err := redisconn.Open(config.Redis{Mode: config.RedisStandalone, Addresses: []string{s.Addr}, PoolSize: 20}, 25*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func limiter(t *testing.T, conn *redisconn.Conn, perMinute int) *Limiter {
	t.Helper()
	l, err := New(conn, "ns/name", perMinute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestOneRateOverAllReplicas(t *testing.T) {
	server := testredis.Start(t)
	conn := connect(t, server)
	replicas := []*Limiter{limiter(t, conn, 60), limiter(t, conn, 60), limiter(t, conn, 60)}
	var allowed, limited atomic.Int32
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			for range 30 {
				d := replicas[n%3].Allow(t.Context(), "caller")
				if d.Allowed {
					allowed.Add(1)
					continue
				}
				limited.Add(1)
				if d.RetryAfter <= 0 || d.RetryAfter > time.Second {
					t.Errorf("retry after %s, want up to the second between requests", d.RetryAfter)
				}
			}
		})
	}
	wg.Wait()
	// Sixty at once, and what the time of the test adds at one a second. Where the
	// machine stalls for longer than the budget, a replica counts by itself.
	local := 0.0
	for _, r := range replicas {
		local += testutil.ToFloat64(r.requests.WithLabelValues("allowed", "local"))
	}
	if got := int(allowed.Load()) - int(local); got < 60 && local == 0 || got > 65 {
		t.Errorf("allowed %d in Redis (%v by the replicas themselves), want 60", got, local)
	}
	if d := replicas[0].Allow(t.Context(), "another"); !d.Allowed || d.Limit != 60 || d.Remaining != 59 {
		t.Errorf("another caller: got %+v, want allowed with 59 of 60 left", d)
	}
}

func TestAlgorithmInThisProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(nil, "s", 4)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		steps := []struct {
			name  string
			pause time.Duration
			want  Decision
		}{
			{name: "first", want: Decision{Allowed: true, Limit: 4, Remaining: 3}},
			{name: "second", want: Decision{Allowed: true, Limit: 4, Remaining: 2}},
			{name: "third", want: Decision{Allowed: true, Limit: 4, Remaining: 1}},
			{name: "fourth", want: Decision{Allowed: true, Limit: 4}},
			{name: "one too many", want: Decision{Limit: 4, RetryAfter: 15 * time.Second}},
			{name: "too early", pause: 5 * time.Second, want: Decision{Limit: 4, RetryAfter: 10 * time.Second}},
			{name: "in time", pause: 10 * time.Second, want: Decision{Allowed: true, Limit: 4}},
			{name: "after a long pause", pause: time.Hour, want: Decision{Allowed: true, Limit: 4, Remaining: 3}},
		}
		for _, step := range steps {
			time.Sleep(step.pause) // the bubble's clock
			if got := l.Allow(t.Context(), "caller"); got != step.want {
				t.Errorf("%s: got %+v, want %+v", step.name, got, step.want)
			}
		}
	})
}

func TestFailsOpenWithinItsBudget(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*testredis.Server)
	}{
		{name: "killed", fault: (*testredis.Server).Kill},
		{name: "stopped", fault: (*testredis.Server).Stop},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := testredis.Start(t)
			l := limiter(t, connect(t, server), 30)
			if d := l.Allow(t.Context(), "caller"); !d.Allowed {
				t.Fatal("not allowed while all is well")
			}
			test.fault(server)
			start, allowed := time.Now(), 0
			for range 40 {
				if l.Allow(t.Context(), "caller").Allowed {
					allowed++
				}
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("40 requests took %s, want a few budgets until the breaker opens", took)
			}
			if allowed < 29 || allowed > 32 {
				t.Errorf("allowed %d, want this replica's own 30", allowed)
			}
			if got := testutil.ToFloat64(l.requests.WithLabelValues("allowed", "local")); got == 0 {
				t.Error("no request is counted as decided locally")
			}
		})
	}
}

func TestNewErrors(t *testing.T) {
	if _, err := New(nil, "s", 0); err == nil {
		t.Error("0 requests per minute: no error")
	}
}
