package cache

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

// answers are questions by caller, for tests of what a selector meets.
var answers = map[string]Request{
	"a/x one":  {Tenant: "a", User: "x", Question: "one"},
	"a/x two*": {Tenant: "a", User: "x", Question: "two*"},
	"a/y one":  {Tenant: "a", User: "y", Question: "one"},
	"b/x one":  {Tenant: "b", User: "x", Question: "one"},
	"b/x onet": {Tenant: "b", User: "x", Question: "onet"},
}

// fill stores all answers and waits until both replicas have them.
func fill(t *testing.T, one, two *Cache) {
	t.Helper()
	for name, r := range answers {
		one.Store(one.Key(r), nil, entry(name))
	}
	for name, r := range answers {
		eventually(t, name, func() bool { _, ok := two.Redis(t.Context(), two.Key(r)); return ok })
	}
}

// left names the answers that the look-up still finds.
func left(c *Cache, lookup func(Key) (Hit, bool)) []string {
	var found []string
	for name, r := range answers {
		if hit, ok := lookup(c.Key(r)); ok && string(hit.Body) == name {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

func TestInvalidate(t *testing.T) {
	all := slices.Sorted(maps.Keys(answers))
	tests := []struct {
		name      string
		selector  Selector
		dryRun    bool
		wantLeft  []string
		wantRedis int
	}{
		{name: "all", selector: Selector{All: true}, wantRedis: 5},
		{name: "tenant", selector: Selector{Tenant: "a"}, wantRedis: 3, wantLeft: []string{"b/x one", "b/x onet"}},
		{name: "user", selector: Selector{Tenant: "a", User: "x"}, wantRedis: 2, wantLeft: []string{"a/y one", "b/x one", "b/x onet"}},
		{name: "question", selector: Selector{Question: "one"}, wantRedis: 3, wantLeft: []string{"a/x two*", "b/x onet"}},
		{name: "prefix", selector: Selector{Prefix: "one"}, wantRedis: 4, wantLeft: []string{"a/x two*"}},
		{name: "a pattern is no pattern", selector: Selector{Prefix: "*"}, wantLeft: all},
		{name: "question of a tenant", selector: Selector{Tenant: "b", Question: "one"}, wantRedis: 1, wantLeft: []string{"a/x one", "a/x two*", "a/y one", "b/x onet"}},
		{name: "dry run", selector: Selector{All: true}, dryRun: true, wantRedis: 5, wantLeft: all},
	}
	server := testredis.Start(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			connect(t, server).FlushAll(t.Context())
			cfg := testConfig(func(c *config.Cache) { c.Redis, c.Scope = withRedis(server), config.ScopeUser })
			one, two := open(t, cfg), open(t, cfg)
			fill(t, one, two)

			start := time.Now()
			report, err := one.Invalidate(t.Context(), test.selector, test.dryRun)
			if err != nil {
				t.Fatal(err)
			}
			want := Report{Redis: test.wantRedis, Local: test.wantRedis, DryRun: test.dryRun}
			if diff := cmp.Diff(want, report); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantLeft, left(one, one.Local)); diff != "" {
				t.Errorf("left in the replica that was asked (-want +got):\n%s", diff)
			}
			eventually(t, "the other replica", func() bool { return cmp.Equal(test.wantLeft, left(two, two.Local)) })
			if took := time.Since(start); took > time.Second {
				t.Errorf("the other replica took %s, want at most 1s", took)
			}
			fromRedis := left(two, func(k Key) (Hit, bool) { return two.Redis(t.Context(), k) })
			if diff := cmp.Diff(test.wantLeft, fromRedis); diff != "" {
				t.Errorf("left in Redis (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInvalidateLegacyKeys(t *testing.T) {
	server := testredis.Start(t)
	client := connect(t, server)
	c := open(t, testConfig(func(c *config.Cache) { c.Redis, c.LegacyKeys = withRedis(server), true }))
	for _, key := range []string{"cache:what?", "cache:whatever", "cache:[x]", "other"} {
		if err := client.Set(t.Context(), key, "{}", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		selector Selector
		want     int
	}{{Selector{Question: "what?"}, 1}, {Selector{Prefix: "[x"}, 1}, {Selector{All: true}, 1}, {Selector{All: true}, 0}} {
		report, err := c.Invalidate(t.Context(), step.selector, false)
		if err != nil || report.Redis != step.want {
			t.Errorf("%+v: got %d, %v, want %d", step.selector, report.Redis, err, step.want)
		}
	}
	if n := client.Exists(t.Context(), "other").Val(); n != 1 {
		t.Error("a key of somebody else is gone")
	}
}

func TestSelectorErrors(t *testing.T) {
	tests := []struct {
		name     string
		selector Selector
		want     string
	}{
		{name: "empty", want: "it is empty"},
		{name: "all and more", selector: Selector{All: true, Question: "q"}, want: "all stands alone"},
		{name: "question and prefix", selector: Selector{Question: "q", Prefix: "p"}, want: "exclude each other"},
		{name: "tenant in scope Shared", selector: Selector{Tenant: "t"}, want: "scope is Shared"},
		{name: "user in scope Shared", selector: Selector{User: "u"}, want: "not kept by user"},
	}
	c := open(t, testConfig(nil))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.Invalidate(t.Context(), test.selector, false)
			if !errors.Is(err, ErrSelector) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestAnAnswerBegunBeforeAnInvalidationIsNotKept(t *testing.T) {
	server := testredis.Start(t)
	cfg := testConfig(func(c *config.Cache) { c.Redis = withRedis(server) })
	one, two := open(t, cfg), open(t, cfg)
	// The second replica has a question in flight, and hears of nothing meanwhile.
	two.follower.close()
	k := two.Key(Request{Question: "q"})
	if _, err := one.Invalidate(t.Context(), Selector{All: true}, false); err != nil {
		t.Fatal(err)
	}
	two.Store(k, nil, entry("old"))
	eventually(t, "the late write", func() bool {
		return connect(t, server).Exists(t.Context(), k.redisKey("epoch-1")).Val() == 1
	})
	if hit, ok := one.Redis(t.Context(), one.Key(Request{Question: "q"})); ok {
		t.Errorf("got %q from Redis, want a miss: it was begun before the invalidation", hit.Body)
	}
	one.Store(k, nil, entry("old"))
	if hit, ok := one.Local(k); ok {
		t.Errorf("got %q from this process, want a miss", hit.Body)
	}
}

func TestAReplicaThatMissedInvalidationsTrustsNothing(t *testing.T) {
	tests := []struct {
		name string
		lose func(t *testing.T, s *testredis.Server, key string)
	}{
		{name: "the stream was trimmed", lose: func(t *testing.T, s *testredis.Server, key string) {
			client := connect(t, s)
			id := client.XAdd(t.Context(), xadd(key)).Val()
			client.XAdd(t.Context(), xadd(key))
			client.XTrimMinID(t.Context(), key, id)
		}},
		{name: "Redis came back empty", lose: func(_ *testing.T, s *testredis.Server, _ string) { s.Kill(); s.Restart() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := testredis.Start(t)
			c := open(t, testConfig(func(c *config.Cache) { c.Redis = withRedis(server) }))
			if _, err := c.Invalidate(t.Context(), Selector{Question: "another"}, false); err != nil {
				t.Fatal(err)
			}
			k := c.Key(Request{Question: "q"})
			c.Store(k, nil, entry("a"))
			if _, ok := c.Local(k); !ok {
				t.Fatal("not stored")
			}
			test.lose(t, server, c.follower.key)
			eventually(t, "the local answer to be dropped", func() bool { _, ok := c.Local(k); return !ok })

			k = c.Key(Request{Question: "q"})
			c.Store(k, nil, entry("b"))
			eventually(t, "new answers to be kept again", func() bool {
				k := c.Key(Request{Question: "q"})
				c.Store(k, nil, entry("b"))
				_, ok := c.Redis(t.Context(), k)
				return ok
			})
		})
	}
}

func TestInvalidateWithoutRedisReachesThisReplica(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, testConfig(func(c *config.Cache) { c.Redis = withRedis(server) }))
	k := c.Key(Request{Question: "q"})
	c.Store(k, nil, entry("a"))
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := c.Invalidate(ctx, Selector{Question: "q"}, false); err == nil {
		t.Error("no error, want one: the other replicas were not told")
	}
	if _, ok := c.Local(k); ok {
		t.Error("the local answer is still there")
	}
}
