// Package cache keeps answers: in the memory of this process, in Redis for all
// replicas, by meaning, and curated ones (FAQ). It partitions hard by who asks,
// and holds finished response bodies, so that a hit is neither decoded nor
// encoded. It knows nothing of models, stores or HTTP handlers.
package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/redisconn"
)

// Tier is where an answer came from; the value of the X-Cache header.
type Tier string

// The tiers. Miss is none of them.
const (
	TierLocal    Tier = "HIT-L1"
	TierRedis    Tier = "HIT-L2"
	TierSemantic Tier = "SEMANTIC"
	TierFAQ      Tier = "FAQ"
	TierStale    Tier = "STALE"
	TierMiss     Tier = "MISS"
)

// Entry is a cached response.
type Entry struct {
	// Body is the finished response body. It is shared: nobody may change it.
	Body []byte
	// Stored is when the answer was made.
	Stored time.Time
}

// Hit is an answer found.
type Hit struct {
	Entry
	// Tier is where it was found; TierStale when it has expired and may be served
	// only because staleTTL allows it.
	Tier Tier
	// Stale asks the caller to make the answer anew behind this one.
	Stale bool
	// Age is the time since the answer was made.
	Age time.Duration
}

// Cache is all tiers together. Make one with [New]; its methods may be called
// from any number of goroutines.
type Cache struct {
	cfg      atomic.Pointer[config.Cache]
	epoch    string
	local    *localTier
	conn     *redisconn.Conn
	semantic *semanticTier
	faq      *faqTier
	writer   *writer
	follower *follower
	metrics  *metrics
	log      atomic.Pointer[invalidationLog]
	known    knownBodies // of legacy keys
}

// Option changes what [New] makes.
type Option func(*options)

type options struct {
	service string
	embed   EmbedFunc
}

// WithService names the service, such as namespace/name. Services that share a
// Redis keep their invalidations and curated answers apart by it.
func WithService(name string) Option { return func(o *options) { o.service = name } }

// WithEmbed embeds the FAQ's questions, so that questions that mean the same find
// their answers. It must give the same vectors as those of queries.
func WithEmbed(f EmbedFunc) Option { return func(o *options) { o.embed = f } }

// New opens the cache. The epoch names everything that answers depend on beside
// the request: model, prompt, index and embedding; a change of it leaves all
// older answers behind. New waits a moment for Redis, but does
// not need it to be there.
func New(cfg config.Cache, epoch string, opts ...Option) (*Cache, error) {
	o := options{service: "default"}
	for _, opt := range opts {
		opt(&o)
	}
	if err := checkEpoch(epoch); err != nil {
		return nil, err
	}
	if cfg.Redis == nil && cfg.Local == nil {
		return nil, errors.New("the cache has no place to keep answers: set redis, local or both")
	}
	c := &Cache{epoch: epoch, metrics: newMetrics()}
	c.cfg.Store(&cfg)
	c.log.Store(&invalidationLog{version: 1})
	if cfg.Redis != nil {
		conn, err := redisconn.Open(*cfg.Redis, cfg.Budget)
		if err != nil {
			return nil, fmt.Errorf("open the cache: %w", err)
		}
		c.conn = conn
		c.writer = newWriter(conn, cfg.WriteQueue, c.metrics)
		c.follower = newFollower(c, conn, o.service)
	}
	if cfg.Semantic != nil {
		c.semantic = newSemanticTier(c)
	}
	if cfg.Local != nil {
		c.local = newLocalTier(cfg.Local.MaxBytes)
	}
	if cfg.FAQ != nil {
		var shared *faqOverlay
		if c.conn != nil {
			shared = &faqOverlay{conn: c.conn, key: keyPrefix + "faq:" + o.service}
		}
		faq, err := newFAQTier(c, cfg.FAQ.File, o.embed, shared)
		if err != nil {
			// Close without a deadline: nothing is queued yet.
			return nil, errors.Join(fmt.Errorf("open the cache: %w", err), c.Close(context.Background()))
		}
		c.faq = faq
	}
	return c, nil
}

// Close writes what is queued for as long as the context allows, then closes the
// connections. Nothing may use the cache meanwhile.
func (c *Cache) Close(ctx context.Context) error {
	if c.local != nil {
		c.local.close()
	}
	if c.faq != nil {
		c.faq.close()
	}
	if c.semantic != nil {
		c.semantic.close()
	}
	if c.conn == nil {
		return nil
	}
	c.follower.close()
	return errors.Join(c.writer.close(ctx), c.conn.Close())
}

// Tune takes over the TTLs and thresholds of a changed configuration; the rest of
// it needs a new process. Answers are judged by the new TTL at once, those that
// were there included, but none lives longer than it was stored for.
func (c *Cache) Tune(changed config.Cache) {
	cfg := *c.cfg.Load()
	cfg.TTL, cfg.StaleTTL = changed.TTL, changed.StaleTTL
	if cfg.Semantic != nil && changed.Semantic != nil {
		cfg.Semantic = new(*cfg.Semantic)
		cfg.Semantic.Threshold = changed.Semantic.Threshold
	}
	if cfg.FAQ != nil && changed.FAQ != nil {
		cfg.FAQ = new(*cfg.FAQ)
		cfg.FAQ.Threshold = changed.FAQ.Threshold
	}
	c.cfg.Store(&cfg)
}

// lifetime is how long an answer is kept, fresh and stale.
func (c *Cache) lifetime() time.Duration {
	cfg := c.cfg.Load()
	return cfg.TTL + cfg.StaleTTL
}

// WithBudget returns a context for one query: all that Redis is asked under it,
// by whatever method, shares the one configured budget.
func (c *Cache) WithBudget(ctx context.Context) context.Context {
	return redisconn.WithBudget(ctx)
}

// Store keeps an answer: in this process at once, in Redis behind the caller.
// Only complete answers may be stored. The body must not be changed afterwards.
// The vector is the question's embedding, for the semantic tier; nil leaves the
// answer out of it.
func (c *Cache) Store(k Key, vector []float32, e Entry) {
	if !k.Cacheable() || len(e.Body) == 0 ||
		!c.log.Load().allowsSince(k.moment.version, k.partition, k.question) {
		return
	}
	c.putLocal(k, e, e.Stored.Add(c.lifetime()))
	if c.writer != nil {
		c.writer.enqueue(c.write(k, e))
	}
	if c.semantic != nil && len(vector) > 0 {
		c.semantic.add(k, vector, e.Stored)
	}
}

// KeepsVectors reports whether Store has a use for vectors.
func (c *Cache) KeepsVectors() bool { return c.semantic != nil }

// hit judges an entry by its age; false when it is too old to be served.
func (c *Cache) hit(e Entry, tier Tier) (Hit, bool) {
	age := max(time.Since(e.Stored), 0)
	cfg := c.cfg.Load()
	switch {
	case age < cfg.TTL:
		return Hit{Entry: e, Tier: tier, Age: age}, true
	case age < cfg.TTL+cfg.StaleTTL:
		return Hit{Entry: e, Tier: TierStale, Stale: true, Age: age}, true
	default:
		return Hit{}, false
	}
}
