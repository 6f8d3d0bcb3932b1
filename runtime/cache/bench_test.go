package cache

import (
	"context"
	"strings"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func contextFor(tb testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	tb.Helper()
	return context.WithTimeout(tb.Context(), d)
}

// body is an answer of the size that the figures are for.
var body = `{"answer":"` + strings.Repeat("words ", 500) + `"}`

func TestLocalHitAllocatesNothing(t *testing.T) {
	c := open(t, testConfig(nil))
	r := Request{Representation: "legacy", Question: "What is it?", Legacy: true}
	k := c.Key(r)
	c.Store(k, nil, entry(body))
	if n := testing.AllocsPerRun(1000, func() {
		if _, ok := c.Local(k); !ok {
			t.Error("missed")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a hit, want none", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _ = c.Key(r) }); n != 0 {
		t.Errorf("%v allocations for a key, want none", n)
	}
}

func BenchmarkLocalHit(b *testing.B) {
	c := open(b, testConfig(nil))
	r := Request{Representation: "legacy", Question: "What is the capital of France?"}
	c.Store(c.Key(r), nil, entry(body))
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Key(r)
		}
	})
	b.Run("key+local", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := c.Local(c.Key(r)); !ok {
				b.Fatal("missed")
			}
		}
	})
}

// BenchmarkRedisHit compares a hit with the bare client's GET of the same value,
// one at a time and with 64 in flight.
func BenchmarkRedisHit(b *testing.B) {
	server := testredis.Start(b)
	c := open(b, testConfig(func(c *config.Cache) {
		c.Redis, c.Local, c.Budget = withRedis(server), nil, 5*time.Second
	}))
	k := c.Key(Request{Question: "What is the capital of France?"})
	c.Store(k, nil, entry(body))
	eventually(b, "the answer", func() bool { _, ok := c.Redis(b.Context(), k); return ok })
	name, client := k.redisKey("epoch-1"), c.conn.Client
	hit := func() bool { _, ok := c.Redis(b.Context(), k); return ok }
	get := func() bool { _, err := client.Get(b.Context(), name).Bytes(); return err == nil }
	for _, one := range []struct {
		name string
		run  func() bool
	}{{"bare", get}, {"cache", hit}} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !one.run() {
					b.Fatal("missed")
				}
			}
		})
		b.Run(one.name+"/64", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if !one.run() {
						b.Error("missed")
					}
				}
			})
		})
	}
}
