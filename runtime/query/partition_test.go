package query

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/generate"
)

// mixes is how many random requests there are, over all cases together.
const mixes = 100_000

type askerKey struct{}

// TestNoAnswerCrossesAPartition asks few questions, of which some are nearly
// alike, as few tenants and users, so that nearly everything is a hit or shares a
// flight. Every answer says for whom it was made.
func TestNoAnswerCrossesAPartition(t *testing.T) {
	tests := []struct {
		scope config.Scope
		users bool
		// may says whether an answer made for one may be given to the other.
		may func(made, given [2]string) bool
	}{
		{scope: config.ScopeShared, may: func(_, _ [2]string) bool { return true }},
		{scope: config.ScopeShared, users: true, may: func(made, given [2]string) bool { return made[1] == given[1] }},
		{scope: config.ScopeTenant, may: func(made, given [2]string) bool { return made[0] == given[0] }},
		{scope: config.ScopeTenant, users: true, may: func(made, given [2]string) bool { return made == given }},
		{scope: config.ScopeUser, may: func(made, given [2]string) bool { return made == given }},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, users known %v", tt.scope, tt.users), func(t *testing.T) {
			t.Parallel()
			c := localCache(time.Minute, time.Minute)
			c.Scope = tt.scope
			c.Semantic = &config.SemanticCache{Threshold: 0.8, MaxEntries: 1000}
			s := newService(t, c, func(p *Parts) {
				if tt.users {
					p.Users = users{}
				}
			})
			s.model.script = func(ctx context.Context, _ generate.Request, _ func(string) error) (generate.Completion, error) {
				return stop("made for " + ctx.Value(askerKey{}).(string) + "."), nil
			}
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() { s.askAtRandom(t, rand.New(rand.NewPCG(1, uint64(worker))), mixes/len(tests)/4, tt.may) })
			}
			wg.Wait()
			if made := s.model.calls.Load(); made > mixes/2/int64(len(tests)) {
				t.Errorf("%d of %d answers were made anew: the test tries nothing", made, mixes/len(tests))
			}
		})
	}
}

func (s setup) askAtRandom(t *testing.T, random *rand.Rand, n int, may func(made, given [2]string) bool) {
	questions := []string{"how do I reset my password", "how do I reset my password?", "how can I reset my password", "what does it cost"}
	for range n {
		// The empty names are callers that nobody vouched for.
		asker := [2]string{pick(random, "", "a", "b", "a:b"), pick(random, "", "jane", "joe", "b:jane")}
		r := Request{
			Question: pick(random, questions...), Tenant: asker[0], User: asker[1],
			Representation: pick(random, body{"one"}, body{"two"}), TopK: pick(random, 0, 3),
		}
		ctx := context.WithValue(t.Context(), askerKey{}, asker[0]+"/"+asker[1])
		result, err := s.ask(ctx, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_, rest, _ := strings.Cut(string(result.Body), "made for ")
		rest, _, _ = strings.Cut(rest, ".")
		tenant, user, _ := strings.Cut(rest, "/")
		if made := [2]string{tenant, user}; !may(made, asker) {
			t.Errorf("%q, asked by %q, got the answer of %q from %s", r.Question, asker, made, result.Tier)
			return
		}
	}
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }
