package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func TestMain(m *testing.M) { testredis.VerifyTestMain(m) }

// testConfig is the configuration's defaults, with the tiers that are asked for.
func testConfig(change func(*config.Cache)) config.Cache {
	c := config.Cache{
		TTL: 5 * time.Minute, Scope: config.ScopeShared, Budget: 25 * time.Millisecond, WriteQueue: 1024,
		Local: &config.LocalCache{MaxBytes: 64 << 20},
	}
	if change != nil {
		change(&c)
	}
	return c
}

func withRedis(s *testredis.Server) *config.Redis {
	return &config.Redis{Mode: config.RedisStandalone, Addresses: []string{s.Addr}, PoolSize: 20}
}

func open(tb testing.TB, cfg config.Cache) *Cache {
	tb.Helper()
	c, err := New(cfg, "epoch-1")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return c
}

func connect(tb testing.TB, s *testredis.Server) *redis.Client {
	tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: s.Addr})
	tb.Cleanup(func() { client.Close() })
	return client
}

// eventually waits for a condition that another goroutine or process brings about.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			tb.Fatalf("waited too long for: %s", what)
		case <-tick.C:
		}
	}
}

func entry(body string) Entry { return Entry{Body: []byte(body), Stored: time.Now()} }

func TestAnswerIsSharedThroughRedis(t *testing.T) {
	server := testredis.Start(t)
	cfg := testConfig(func(c *config.Cache) { c.Redis = withRedis(server) })
	one, two := open(t, cfg), open(t, cfg)
	request := Request{Representation: "legacy", Question: "What is it?"}

	one.Store(one.Key(request), nil, entry(`{"answer":"It."}`))
	if hit, ok := one.Local(one.Key(request)); !ok || hit.Tier != TierLocal || string(hit.Body) != `{"answer":"It."}` {
		t.Errorf("Local after Store: got %v %q %v", hit.Tier, hit.Body, ok)
	}
	eventually(t, "the answer in Redis", func() bool {
		hit, ok := two.Redis(t.Context(), two.Key(request))
		return ok && hit.Tier == TierRedis && string(hit.Body) == `{"answer":"It."}`
	})
	if hit, ok := two.Local(two.Key(request)); !ok || string(hit.Body) != `{"answer":"It."}` {
		t.Errorf("Local after a hit in Redis: got %q %v", hit.Body, ok)
	}
}

func TestLegacyKeysAreSharedWithTheOldService(t *testing.T) {
	server := testredis.Start(t)
	client := connect(t, server)
	c := open(t, testConfig(func(c *config.Cache) { c.Redis, c.LegacyKeys = withRedis(server), true }))
	legacy := func(q string) Key { return c.Key(Request{Representation: "legacy", Question: q, Legacy: true}) }

	written := `{"query": "a {b}?",  "answer": "x\u00e9", "context": [], "timestamp": 1.5}`
	if err := client.Set(t.Context(), "cache:a {b}?", written, 100*time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	hit, ok := c.Redis(t.Context(), legacy("a {b}?"))
	if !ok || string(hit.Body) != written {
		t.Errorf("the old service's answer: got %q %v, want it byte for byte", hit.Body, ok)
	}
	if hit.Age < 199*time.Second || hit.Age > 210*time.Second {
		t.Errorf("age: got %s, want about 200s of 300s", hit.Age)
	}

	c.Store(legacy("c"), nil, entry(`{"answer":"c"}`))
	eventually(t, "cache:c", func() bool { return client.Get(t.Context(), "cache:c").Val() == `{"answer":"c"}` })
	if ttl := client.TTL(t.Context(), "cache:c").Val(); ttl < 299*time.Second || ttl > 300*time.Second {
		t.Errorf("TTL of cache:c: got %s, want 300s", ttl)
	}

	for name, value := range map[string]string{"garbage": "<html>", "truncated": `{"answer":`, "array": "[1]", "empty": ""} {
		if err := client.Set(t.Context(), "cache:"+name, value, time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		if hit, ok := c.Redis(t.Context(), legacy(name)); ok {
			t.Errorf("%s: got a hit with %q, want a miss", name, hit.Body)
		}
	}
}

func TestKeys(t *testing.T) {
	c := open(t, testConfig(func(c *config.Cache) { c.Scope = config.ScopeTenant }))
	base := Request{Tenant: "t", Representation: "legacy", Question: "q", Options: "o"}
	change := func(f func(*Request)) Request { r := base; f(&r); return r }
	same := map[string]Request{
		"the same":        base,
		"user in tenancy": change(func(r *Request) { r.User = "u" }),
		"legacy keys off": change(func(r *Request) { r.Legacy = true }),
	}
	for name, r := range same {
		if c.Key(r) != c.Key(base) {
			t.Errorf("%s: keys differ", name)
		}
	}
	other := map[string]Request{
		"tenant":         change(func(r *Request) { r.Tenant = "T" }),
		"representation": change(func(r *Request) { r.Representation = "chat" }),
		"question":       change(func(r *Request) { r.Question = "Q" }),
		"options":        change(func(r *Request) { r.Options = "" }),
		"shifted fields": change(func(r *Request) { r.Options, r.Question = "oq", "" }),
	}
	for name, r := range other {
		if c.Key(r) == c.Key(base) || c.Key(r).redisKey("e") == c.Key(base).redisKey("e") {
			t.Errorf("another %s: same key", name)
		}
	}
	if k := c.Key(change(func(r *Request) { r.Tenant = "" })); k.Cacheable() {
		t.Error("no tenant: cacheable, want not")
	}
	if _, err := New(testConfig(nil), "a:b"); err == nil {
		t.Error("epoch a:b: no error")
	}
}

func TestQueueIsBounded(t *testing.T) {
	server := testredis.Start(t)
	server.Stop()
	defer server.Continue()
	c := open(t, testConfig(func(c *config.Cache) { c.Redis, c.WriteQueue = withRedis(server), 4 }))
	start := time.Now()
	for i := range 200 {
		c.Store(c.Key(Request{Question: fmt.Sprint(i)}), nil, entry("{}"))
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("200 stores with Redis stopped took %s", took)
	}
	if got := counter(t, c.metrics.drops.WithLabelValues("queue_full")); got < 100 {
		t.Errorf("dropped %v for a full queue, want most of 200", got)
	}
}

func xadd(stream string) *redis.XAddArgs {
	return &redis.XAddArgs{Stream: stream, Values: map[string]any{"partition": "none"}}
}

// TestKnownBodies remembers what was valid and nothing else.
func TestKnownBodies(t *testing.T) {
	var known knownBodies
	for range 2 {
		for body, want := range map[string]bool{`{"answer":"a"}`: true, `{"answer":"a"`: false, `{"answer":"b"}`: true} {
			if got := known.valid([]byte(body)); got != want {
				t.Errorf("%s: %v, want %v", body, got, want)
			}
		}
	}
}
