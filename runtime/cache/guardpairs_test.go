package cache

import (
	"os"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/lexical"
)

// questionPairs are pairs as people ask them.
type questionPairs struct{ Different, Same [][2]string }

func readPairs(t *testing.T) questionPairs {
	t.Helper()
	data, err := os.ReadFile("testdata/question-pairs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var pairs questionPairs
	if err := yaml.Unmarshal(data, &pairs); err != nil {
		t.Fatal(err)
	}
	if len(pairs.Different) < 100 || len(pairs.Same) < 70 {
		t.Fatalf("%d different and %d same pairs: too few to show anything", len(pairs.Different), len(pairs.Same))
	}
	return pairs
}

// minSameFound is the share of the pairs with one answer that must find it. The
// others cost a call of the model, which is the price of never giving the answer
// to another question.
const minSameFound = 0.9

// TestGuardOnRealisticPairs gives the pairs to the guard and, with the vectors of
// the embedded model and a threshold that takes nearly everything, to the whole
// tier.
func TestGuardOnRealisticPairs(t *testing.T) {
	pairs := readPairs(t)
	const dimensions, threshold = 2048, 0.2
	c := open(t, testConfig(func(c *config.Cache) { c.Semantic = &config.SemanticCache{Threshold: threshold, MaxEntries: 1000} }))
	found := func(kept, asked string) bool {
		k := c.Key(Request{Question: kept, Options: kept + asked}) // each pair in a conversation of its own
		c.Store(k, lexical.Vector(kept, dimensions), Entry{Body: []byte("{}"), Stored: time.Now()})
		_, ok := c.Semantic(t.Context(), c.Key(Request{Question: asked, Options: kept + asked}), lexical.Vector(asked, dimensions), 0)
		return ok
	}
	for _, p := range pairs.Different {
		for _, p := range [][2]string{p, {p[1], p[0]}} {
			if sameMeaning(p[0], p[1]) || found(p[0], p[1]) {
				t.Errorf("%q is answered with the answer to %q\n%+v\n%+v", p[1], p[0], read(p[0]), read(p[1]))
			}
		}
	}
	hits := 0
	for _, p := range pairs.Same {
		if found(p[0], p[1]) && found(p[1], p[0]) {
			hits++
		} else {
			t.Logf("a miss: %q and %q", p[0], p[1])
		}
	}
	share := float64(hits) / float64(len(pairs.Same))
	t.Logf("of %d pairs that differ none shares an answer; of %d that do not, %.0f %% do", len(pairs.Different), len(pairs.Same), 100*share)
	if share < minSameFound {
		t.Errorf("%.0f %% of the pairs with one answer find it, want %.0f %%", 100*share, 100*minSameFound)
	}
}
