package cache

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

// TestNoAnswerCrossesAPartition mixes tenants, users, questions and tiers at
// random, with names made to collide, in two replicas on one Redis. Every answer
// names whom it was made for; who gets it must be in the same partition.
func TestNoAnswerCrossesAPartition(t *testing.T) {
	const mixes, workers = 100_000, 8
	server := testredis.Start(t)
	names := []string{"", "a", "b", "a:b", "a-", "-a", "{a}", "*", "a\x00", "A", "shared", "ä"}
	questions := []string{
		"How do I reset it?", "How can I reset it?", "how to reset it", "a: How do I reset it?",
		"", "*", "{a}", "How do I not reset it?",
	}
	vector := randomVector(rand.New(rand.NewPCG(1, 2)), 32)
	for _, scope := range []config.Scope{config.ScopeTenant, config.ScopeUser} {
		t.Run(string(scope), func(t *testing.T) {
			connect(t, server).FlushAll(t.Context())
			cfg := semanticConfig(func(c *config.Cache) {
				c.Redis, c.Scope, c.Local.MaxBytes = withRedis(server), scope, 1<<20
			})
			replicas := []*Cache{open(t, cfg), open(t, cfg)}
			hits := make([]map[Tier]int, workers)
			var wg sync.WaitGroup
			for w := range workers {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(w), 7))
					hits[w] = map[Tier]int{}
					for range mixes / 2 / workers {
						c := replicas[r.IntN(2)]
						q := Request{
							Tenant: names[r.IntN(len(names))], User: names[r.IntN(len(names))],
							Question: questions[r.IntN(len(questions))], Options: names[r.IntN(3)],
						}
						owner := fmt.Sprintf("%q", q.Tenant)
						if scope == config.ScopeUser {
							owner += fmt.Sprintf("/%q", q.User)
						}
						owner += fmt.Sprintf("/%q:", q.Options)
						k := c.Key(q)
						var hit Hit
						var ok bool
						switch r.IntN(12) {
						case 0:
							c.Store(k, near(r, vector, 0.99), entry(owner))
							continue
						case 1, 2, 3:
							hit, ok = c.Redis(t.Context(), k)
						case 4, 5, 6, 7:
							hit, ok = c.Semantic(t.Context(), k, near(r, vector, 0.99), 0)
						default:
							hit, ok = c.Local(k)
						}
						if ok && !strings.HasPrefix(string(hit.Body), owner) {
							t.Errorf("%s got %s from %s", owner, hit.Body, hit.Tier)
						}
						if ok {
							hits[w][hit.Tier]++
						}
					}
				})
			}
			wg.Wait()
			for _, tier := range []Tier{TierLocal, TierRedis, TierSemantic} {
				if !slices.ContainsFunc(hits, func(m map[Tier]int) bool { return m[tier] > 0 }) {
					t.Errorf("no hit from %s: the test shows nothing", tier)
				}
			}
			t.Logf("hits by worker: %v", hits)
		})
	}
}
