package cache

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func randomVector(r *rand.Rand, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// near returns a vector at the cosine from v, in a direction drawn from r.
func near(r *rand.Rand, v []float32, cosine float64) []float32 {
	o := randomVector(r, len(v))
	unit := func(v []float32) float64 {
		sum := 0.0
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		return math.Sqrt(sum)
	}
	along, n := 0.0, unit(v)
	for i := range v {
		along += float64(o[i]) * float64(v[i]) / n
	}
	for i := range o {
		o[i] -= float32(along * float64(v[i]) / n)
	}
	m := unit(o)
	for i := range o {
		o[i] = float32(cosine*float64(v[i])/n + math.Sqrt(1-cosine*cosine)*float64(o[i])/m)
	}
	return o
}

func semanticConfig(change func(*config.Cache)) config.Cache {
	return testConfig(func(c *config.Cache) {
		c.Semantic = &config.SemanticCache{Threshold: 0.92, MaxEntries: 1000}
		if change != nil {
			change(c)
		}
	})
}

func TestSemanticFindsAcrossReplicas(t *testing.T) {
	server := testredis.Start(t)
	cfg := semanticConfig(func(c *config.Cache) { c.Redis, c.Scope = withRedis(server), config.ScopeTenant })
	one, two := open(t, cfg), open(t, cfg)
	r := rand.New(rand.NewPCG(1, 1))
	v := randomVector(r, 384)
	// Two users of one tenant: the match is on the text, not on who asks.
	one.Store(one.Key(Request{Tenant: "a", User: "x", Question: "How do I reset my password?"}), v, entry("so"))
	for name, c := range map[string]*Cache{"the same replica": one, "another replica": two} {
		k := c.Key(Request{Tenant: "a", User: "y", Question: "How can I reset my password?"})
		eventually(t, name, func() bool {
			hit, ok := c.Semantic(t.Context(), k, near(r, v, 0.95), 0)
			return ok && string(hit.Body) == "so" && hit.Tier == TierSemantic
		})
	}
}

func TestSemanticKeepsApart(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	v := randomVector(r, 384)
	stored := Request{Tenant: "a", Representation: "legacy", Question: "How do I enable login?", Options: "o"}
	tests := []struct {
		name      string
		change    func(*Request)
		cosine    float64
		threshold float64
		want      bool
	}{
		{name: "near enough", cosine: 0.93, want: true},
		{name: "too far", cosine: 0.90},
		{name: "a caller may not lower the threshold", cosine: 0.90, threshold: 0.5},
		{name: "nor by not a number", cosine: 0.90, threshold: math.NaN()},
		{name: "nor by a negative one", cosine: 0.90, threshold: -1},
		{name: "a caller may raise it", cosine: 0.93, threshold: 0.97},
		{name: "another tenant", cosine: 1, change: func(r *Request) { r.Tenant = "b" }},
		{name: "nobody", cosine: 1, change: func(r *Request) { r.Tenant = "" }},
		{name: "another representation", cosine: 1, change: func(r *Request) { r.Representation = "chat" }},
		{name: "other options", cosine: 1, change: func(r *Request) { r.Options = "" }},
		{name: "the opposite", cosine: 1, change: func(r *Request) { r.Question = "How do I disable login?" }},
		{name: "the tenant in the text is no partition", cosine: 0.99, change: func(r *Request) {
			r.Tenant, r.Question = "b", "tenant a: How do I enable login?"
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, semanticConfig(func(c *config.Cache) { c.Scope = config.ScopeTenant }))
			c.Store(c.Key(stored), v, entry("answer"))
			asked := stored
			asked.Question = "How can I enable login?"
			if test.change != nil {
				test.change(&asked)
			}
			if _, ok := c.Semantic(t.Context(), c.Key(asked), near(r, v, test.cosine), test.threshold); ok != test.want {
				t.Errorf("found: %v, want %v", ok, test.want)
			}
		})
	}
}

func TestOppositesAreKeptApartAtEqualVectors(t *testing.T) {
	c := open(t, semanticConfig(nil))
	v := randomVector(rand.New(rand.NewPCG(3, 3)), 64)
	for _, pair := range opposites {
		k := c.Key(Request{Question: pair[0], Options: pair[1]})
		c.Store(k, v, entry("answer"))
		if _, ok := c.Semantic(t.Context(), c.Key(Request{Question: pair[1], Options: pair[1]}), v, 0); ok {
			t.Errorf("%q got the answer to %q", pair[1], pair[0])
		}
	}
	if got := counter(t, c.metrics.guarded); got != float64(len(opposites)) {
		t.Errorf("guarded: got %v, want %d", got, len(opposites))
	}
}

// TestSecondWall puts a reference to another tenant's answer where it must never
// be: even then it leads nowhere.
func TestSecondWall(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, semanticConfig(func(c *config.Cache) { c.Redis, c.Scope = withRedis(server), config.ScopeTenant }))
	v := randomVector(rand.New(rand.NewPCG(4, 4)), 64)
	theirs := c.Key(Request{Tenant: "a", Question: "q"})
	c.Store(theirs, v, entry("theirs"))
	eventually(t, "theirs in Redis", func() bool { _, ok := c.Redis(t.Context(), theirs); return ok })
	q, _ := quantise(v)
	mine := c.Key(Request{Tenant: "b", Question: "q"})
	c.semantic.view(mine, 64).slab.add(semanticRef{id: theirs.id, question: "q", stored: time.Now()}, q)
	if hit, ok := c.Semantic(t.Context(), mine, v, 0); ok {
		t.Errorf("got %q of another tenant", hit.Body)
	}
}

func TestSemanticForgetsWithTheExactEntry(t *testing.T) {
	c := open(t, semanticConfig(nil))
	v := randomVector(rand.New(rand.NewPCG(5, 5)), 64)
	ask := func() bool {
		_, ok := c.Semantic(t.Context(), c.Key(Request{Question: "how can I reset it"}), v, 0)
		return ok
	}
	store := func(e Entry) { c.Store(c.Key(Request{Question: "how do I reset it"}), v, e) }
	store(entry("a"))
	if !ask() {
		t.Fatal("not found")
	}
	if _, err := c.Invalidate(t.Context(), Selector{All: true}, false); err != nil {
		t.Fatal(err)
	}
	if ask() {
		t.Error("found after it was invalidated")
	}
	store(entry("b"))
	if !ask() {
		t.Error("not found after it was stored anew")
	}
	changed := *c.cfg.Load()
	changed.TTL = time.Nanosecond
	c.Tune(changed)
	if ask() {
		t.Error("found after it expired")
	}
}

func TestSemanticIsBounded(t *testing.T) {
	c := open(t, semanticConfig(func(c *config.Cache) {
		c.Semantic.MaxEntries, c.Scope = 10, config.ScopeTenant
	}))
	c.semantic.limit = 64 << 10
	r := rand.New(rand.NewPCG(6, 6))
	var last []float32
	for tenant := range 40 {
		for i := range 30 {
			last = randomVector(r, 256)
			k := c.Key(Request{Tenant: fmt.Sprint(tenant), Question: fmt.Sprint("question ", i)})
			c.Store(k, last, entry("a"))
			if n := c.semantic.view(k, 256).slab.len(); n > 10 {
				t.Fatalf("%d entries in a partition, want at most 10", n)
			}
		}
		if c.semantic.bytes > c.semantic.limit {
			t.Fatalf("%d bytes of vectors, want at most %d", c.semantic.bytes, c.semantic.limit)
		}
	}
	if _, ok := c.Semantic(t.Context(), c.Key(Request{Tenant: "39", Question: "question 29"}), last, 0); !ok {
		t.Error("the newest is not found")
	}
	if n := len(c.semantic.views); n < 5 || n >= 40 {
		t.Errorf("%d partitions known, want some and not all 40", n)
	}
}

func TestSlabFindsWhatFullSearchFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, dims := range []int{2, 3, 64, 384} {
		s := newSlab(dims, 500)
		base := randomVector(r, dims)
		var vectors [][]int8
		for i := range 600 { // the first hundred are overwritten
			q, _ := quantise(near(r, base, 0.80+0.2*r.Float64()))
			vectors = append(vectors, q)
			s.add(semanticRef{id: [32]byte{byte(i), byte(i >> 8)}, stored: time.Now()}, q)
		}
		asked, _ := quantise(base)
		for _, threshold := range []float64{-1, 0.5, 0.92, 0.999} {
			best, count := -2.0, 0
			for _, v := range vectors[100:] {
				c := float64(dot(asked, v)) / float64(length(asked)) / float64(length(v))
				best = max(best, c)
				if c >= threshold {
					count++
				}
			}
			found := s.search(asked, threshold, time.Time{})
			if len(found) != min(count, slabCandidates) || count > 0 && math.Abs(found[0].similarity-best) > 1e-6 {
				t.Errorf("dims %d, threshold %v: found %d with best %v, want %d and %v", dims, threshold, len(found), found, min(count, slabCandidates), best)
			}
		}
	}
}

func TestQuantiseRefusesWhatHasNoDirection(t *testing.T) {
	for name, v := range map[string][]float32{
		"empty": nil, "zero": {0, 0}, "not a number": {1, float32(math.NaN())}, "infinite": {1, float32(math.Inf(1))},
	} {
		if _, ok := quantise(v); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	r := rand.New(rand.NewPCG(8, 8))
	for range 100 {
		v := randomVector(r, 384)
		a, _ := quantise(v)
		b, _ := quantise(near(r, v, 0.92))
		if c := float64(dot(a, b)) / float64(length(a)) / float64(length(b)); math.Abs(c-0.92) > 0.004 {
			t.Errorf("cosine after quantising: %v, want 0.92", c)
		}
	}
}

func BenchmarkSemanticSearch(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, dims := range []int{384, 1536} {
		b.Run(fmt.Sprintf("10000x%d", dims), func(b *testing.B) {
			s := newSlab(dims, 10_000)
			for i := range 10_000 {
				q, _ := quantise(randomVector(r, dims))
				s.add(semanticRef{id: [32]byte{byte(i), byte(i >> 8)}, stored: time.Now()}, q)
			}
			q, _ := quantise(randomVector(r, dims))
			for b.Loop() {
				s.search(q, 0.92, time.Time{})
			}
		})
	}
}
