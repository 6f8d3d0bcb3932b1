package cache

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

// TestTune changes TTLs and thresholds of a cache that is in use.
func TestTune(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	v := randomVector(r, 64)
	cfg, _ := faqConfig(t, nil)
	cfg.TTL, cfg.StaleTTL = time.Hour, 0
	cfg.Semantic = &config.SemanticCache{Threshold: 0.92, MaxEntries: 100}
	c, err := New(cfg, "e", WithEmbed(func(_ context.Context, texts []string) ([][]float32, error) { return [][]float32{v}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	k := c.Key(Request{Question: "How do I set it up?"})
	c.Store(k, v, Entry{Body: []byte("{}"), Stored: time.Now().Add(-10 * time.Minute)})

	local := func() (tier Tier) {
		hit, _ := c.Local(k)
		return hit.Tier
	}
	semantic := func(cosine float64) bool {
		_, ok := c.Semantic(t.Context(), c.Key(Request{Question: "How can I set it up?"}), near(r, v, cosine), 0)
		return ok
	}
	curated := func(cosine float64) bool {
		_, ok := c.FAQSemantic("How can I reset it?", near(r, v, cosine))
		return ok
	}
	eventually(t, "the FAQ's questions to be embedded", func() bool { return curated(0.99) })
	tests := []struct {
		name                        string
		tune                        func(*config.Cache)
		wantLocal                   Tier
		wantSemantic93, wantFAQ96   bool
		wantSemantic985, wantFAQ985 bool
	}{
		{name: "as it was", wantLocal: TierLocal, wantSemantic93: true, wantFAQ96: true, wantSemantic985: true, wantFAQ985: true},
		{
			name: "a shorter TTL", tune: func(c *config.Cache) { c.TTL = 5 * time.Minute },
			wantFAQ96: true, wantFAQ985: true, // the answer is too old for all other tiers
		},
		{
			name: "a stale TTL beside it", tune: func(c *config.Cache) { c.TTL, c.StaleTTL = 5*time.Minute, time.Hour }, wantLocal: TierStale,
			wantFAQ96: true, wantFAQ985: true, // a similar question gets fresh answers only
		},
		{
			name: "higher thresholds", wantLocal: TierLocal, wantSemantic985: true, wantFAQ985: true,
			tune: func(c *config.Cache) { c.Semantic.Threshold, c.FAQ.Threshold = 0.97, 0.97 },
		},
		{
			name: "what needs a new process", wantLocal: TierLocal, wantSemantic93: true, wantFAQ96: true, wantSemantic985: true, wantFAQ985: true,
			tune: func(c *config.Cache) { c.Scope, c.Semantic, c.FAQ, c.Local = config.ScopeTenant, nil, nil, nil },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tuned := cfg
			tuned.Semantic, tuned.FAQ = new(*cfg.Semantic), new(*cfg.FAQ)
			if tt.tune != nil {
				tt.tune(&tuned)
			}
			c.Tune(tuned)
			defer c.Tune(cfg)
			if got := local(); got != tt.wantLocal {
				t.Errorf("in memory: got %q, want %q", got, tt.wantLocal)
			}
			if got := semantic(0.93); got != tt.wantSemantic93 {
				t.Errorf("a similar question at 0.93 finds an answer: %v, want %v", got, tt.wantSemantic93)
			}
			if got := semantic(0.985); got != tt.wantSemantic985 {
				t.Errorf("a similar question at 0.985 finds an answer: %v, want %v", got, tt.wantSemantic985)
			}
			if got := curated(0.96); got != tt.wantFAQ96 {
				t.Errorf("a curated question at 0.96 is found: %v, want %v", got, tt.wantFAQ96)
			}
			if got := curated(0.985); got != tt.wantFAQ985 {
				t.Errorf("a curated question at 0.985 is found: %v, want %v", got, tt.wantFAQ985)
			}
		})
	}
}
