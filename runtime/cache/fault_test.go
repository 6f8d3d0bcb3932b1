package cache

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

// slack is what a busy machine may add to a budget before a goroutine runs.
const slack = 100 * time.Millisecond

// TestFaults breaks the real Redis under load. No look-up may take longer than
// its budget, the breaker must make the outage cheap, and all must be well again
// when Redis is.
func TestFaults(t *testing.T) {
	tests := []struct {
		name          string
		breakIt, mend func(t *testing.T, s *testredis.Server, p *testredis.Proxy)
	}{
		{
			name:    "killed and restarted empty",
			breakIt: func(_ *testing.T, s *testredis.Server, _ *testredis.Proxy) { s.Kill() },
			mend:    func(_ *testing.T, s *testredis.Server, _ *testredis.Proxy) { s.Restart() },
		},
		{
			name:    "stopped",
			breakIt: func(_ *testing.T, s *testredis.Server, _ *testredis.Proxy) { s.Stop() },
			mend:    func(_ *testing.T, s *testredis.Server, _ *testredis.Proxy) { s.Continue() },
		},
		{
			name:    "slow",
			breakIt: func(_ *testing.T, _ *testredis.Server, p *testredis.Proxy) { p.SetDelay(200 * time.Millisecond) },
			mend:    func(_ *testing.T, _ *testredis.Server, p *testredis.Proxy) { p.SetDelay(0) },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := testredis.Start(t)
			proxy := testredis.StartProxy(t, server)
			c := open(t, testConfig(func(c *config.Cache) {
				c.Local = nil
				c.Redis = &config.Redis{Mode: config.RedisStandalone, Addresses: []string{proxy.Addr}, PoolSize: 20}
			}))
			k := c.Key(Request{Question: "q"})
			works := func() bool {
				k := c.Key(Request{Question: "q"})
				c.Store(k, nil, entry("{}"))
				_, ok := c.Redis(t.Context(), k)
				return ok
			}
			eventually(t, "the answer", works)

			test.breakIt(t, server, proxy)
			took := lookups(t, c, k, 64, 20)
			slices.Sort(took)
			if longest := took[len(took)-1]; longest > c.cfg.Load().Budget+slack {
				t.Errorf("a look-up took %s, want at most the budget of %s", longest, c.cfg.Load().Budget)
			}
			eventually(t, "the breaker to open", func() bool { c.Redis(t.Context(), k); return !c.Available() })
			took = lookups(t, c, k, 1, 1000)
			slices.Sort(took)
			if median := took[len(took)/2]; median > time.Millisecond {
				t.Errorf("with the breaker open half of the look-ups took more than %s, want next to nothing", median)
			}
			if err := c.Conn().LastError(); err == nil {
				t.Error("nothing says why Redis is not used")
			}

			test.mend(t, server, proxy)
			eventually(t, "the breaker to close without a query's help", c.Available)
			eventually(t, "the answer again", works)
		})
	}
}

// lookups runs so many look-ups in each of so many goroutines.
func lookups(t *testing.T, c *Cache, k Key, goroutines, each int) []time.Duration {
	took := make([][]time.Duration, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range each {
				start := time.Now()
				c.Redis(t.Context(), k)
				took[g] = append(took[g], time.Since(start))
			}
		})
	}
	wg.Wait()
	return slices.Concat(took...)
}

func TestOneBudgetForAllLookUpsOfAQuery(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, testConfig(func(c *config.Cache) { c.Redis, c.Local = withRedis(server), nil }))
	server.Stop()
	ctx := c.WithBudget(t.Context())
	start := time.Now()
	for i := range 4 { // fewer than open the breaker
		c.Redis(ctx, c.Key(Request{Question: fmt.Sprint(i)}))
	}
	if took := time.Since(start); took > c.cfg.Load().Budget+slack {
		t.Errorf("four look-ups of one query took %s, want one budget of %s", took, c.cfg.Load().Budget)
	}
	server.Continue()
}

func TestASmallPoolWaits(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, testConfig(func(c *config.Cache) {
		c.Redis, c.Local, c.Budget = withRedis(server), nil, 5*time.Second
		c.Redis.PoolSize = 1
	}))
	k := c.Key(Request{Question: "q"})
	c.Store(k, nil, entry("{}"))
	eventually(t, "the answer", func() bool { _, ok := c.Redis(t.Context(), k); return ok })
	lookups(t, c, k, 64, 10)
	if failed := counter(t, c.metrics.redis.failed); failed != 0 {
		t.Errorf("%v of 640 look-ups failed for want of a connection, want them to wait", failed)
	}
	var connections int
	for line := range strings.SplitSeq(connect(t, server).Info(t.Context(), "clients").Val(), "\r\n") {
		_, _ = fmt.Sscanf(line, "connected_clients:%d", &connections)
	}
	if connections != 2 { // this one and the test's
		t.Errorf("%d connections, want 2", connections)
	}
}

func TestRedisOutOfMemory(t *testing.T) {
	server := testredis.Start(t)
	admin := connect(t, server)
	c := open(t, testConfig(func(c *config.Cache) { c.Redis, c.Local = withRedis(server), nil }))
	k := c.Key(Request{Question: "q"})
	c.Store(k, nil, entry("{}"))
	eventually(t, "the answer", func() bool { _, ok := c.Redis(t.Context(), k); return ok })
	if err := admin.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		c.Store(c.Key(Request{Question: fmt.Sprint(i)}), nil, entry("{}"))
	}
	eventually(t, "the writes to be counted as dropped", func() bool {
		return counter(t, c.metrics.drops.WithLabelValues("out_of_memory")) == 20
	})
	if _, ok := c.Redis(t.Context(), k); !ok || !c.Available() {
		t.Error("reads do not work any more, want them to")
	}
}

func TestMemoryReturnsAfterAnOutage(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, testConfig(func(c *config.Cache) { c.Redis, c.Local = withRedis(server), nil }))
	server.Stop()
	body := entry(strings.Repeat("x", 10_000))
	for i := range 20_000 { // 200 MB, if they were kept
		c.Store(c.Key(Request{Question: fmt.Sprint(i)}), nil, body)
	}
	server.Kill()
	eventually(t, "the queue to drain", func() bool { return len(c.writer.queue) == 0 })
	eventually(t, "memory to return", func() bool {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc < 30<<20
	})
}

func TestCloseFlushes(t *testing.T) {
	server := testredis.Start(t)
	c, err := New(testConfig(func(c *config.Cache) { c.Redis = withRedis(server) }), "e")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		c.Store(c.Key(Request{Question: fmt.Sprint(i)}), nil, entry("{}"))
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := connect(t, server).DBSize(t.Context()).Val(); n != 500 {
		t.Errorf("%d answers in Redis after Close, want all 500", n)
	}
}

func TestCloseGivesUpInTime(t *testing.T) {
	server := testredis.Start(t)
	c, err := New(testConfig(func(c *config.Cache) { c.Redis = withRedis(server) }), "e")
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	for i := range 500 {
		c.Store(c.Key(Request{Question: fmt.Sprint(i)}), nil, entry("{}"))
	}
	start := time.Now()
	ctx, cancel := contextFor(t, 100*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); err == nil {
		t.Error("no error, want one: answers were not written")
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Close took %s", took)
	}
}
