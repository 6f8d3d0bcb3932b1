package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/redisconn"
)

// legacyTTL is how long the old service keeps its answers, and expects ours to be
// kept, whatever the TTL of versioned keys.
const legacyTTL = 300 * time.Second

// Redis looks in Redis, within the budget of the query and only while Redis is
// well. What it finds is kept in this process too.
func (c *Cache) Redis(ctx context.Context, k Key) (Hit, bool) {
	if c.conn == nil || !k.Cacheable() {
		return Hit{}, false
	}
	e, expires, err := c.fetch(ctx, k)
	if err == nil {
		if hit, ok := c.hit(e, TierRedis); ok {
			c.putLocal(k, e, expires)
			c.metrics.redis.count(hit)
			return hit, true
		}
	}
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		c.metrics.redis.miss.Inc()
	case errors.Is(err, redisconn.ErrUnavailable):
		c.metrics.redis.skipped.Inc()
	default:
		c.metrics.redis.failed.Inc()
	}
	return Hit{}, false
}

// fetch gets the key's answer and when it expires. The error is [redis.Nil] where
// there is none, or none that may be served.
func (c *Cache) fetch(ctx context.Context, k Key) (e Entry, expires time.Time, err error) {
	if k.legacy {
		return c.getLegacy(ctx, k)
	}
	return c.get(ctx, k)
}

func (c *Cache) get(ctx context.Context, k Key) (Entry, time.Time, error) {
	value := redis.NewStringCmd(ctx, "get", k.redisKey(c.epoch))
	if err := c.conn.Ask(ctx, value); err != nil {
		return Entry{}, time.Time{}, err
	}
	raw, err := value.Bytes()
	if err != nil {
		return Entry{}, time.Time{}, err
	}
	f, ok := decodeFrame(raw)
	if !ok || string(f.question) != k.question || !c.log.Load().allows(f.moment, k.partition, k.question) {
		return Entry{}, time.Time{}, redis.Nil
	}
	return Entry{Body: f.body, Stored: f.stored}, f.stored.Add(c.lifetime()), nil
}

// getLegacy reads an answer that the old service may have written: a JSON object,
// passed on byte for byte. Its age follows from the time it has left.
func (c *Cache) getLegacy(ctx context.Context, k Key) (Entry, time.Time, error) {
	key := k.redisKey(c.epoch)
	value, left := redis.NewStringCmd(ctx, "get", key), redis.NewDurationCmd(ctx, time.Millisecond, "pttl", key)
	if err := c.conn.Ask(ctx, value, left); err != nil {
		return Entry{}, time.Time{}, err
	}
	body, err := value.Bytes()
	if err != nil {
		return Entry{}, time.Time{}, err
	}
	if !bytes.HasPrefix(body, []byte("{")) || !c.known.valid(body) {
		return Entry{}, time.Time{}, redis.Nil
	}
	now := time.Now()
	remaining := left.Val()
	if remaining < 0 || remaining > legacyTTL { // no expiry, or another one than agreed
		remaining = legacyTTL
	}
	return Entry{Body: body, Stored: now.Add(remaining - legacyTTL)}, now.Add(remaining), nil
}

// write is what puts an answer into Redis.
func (c *Cache) write(k Key, e Entry) write {
	key, value, ttl := k.redisKey(c.epoch), e.Body, legacyTTL
	if !k.legacy {
		value = frame{stored: e.Stored, moment: k.moment, question: []byte(k.question), body: e.Body}.encode()
		ttl = c.lifetime()
	}
	return func(ctx context.Context, p redis.Pipeliner) redis.Cmder { return p.Set(ctx, key, value, ttl) }
}

// bodySeed keeps whoever can write to Redis from making two bodies of one hash.
var bodySeed = maphash.MakeSeed()

// knownBodies remembers bodies that were valid JSON, by their hash: one that many
// queries find is not worth being read each time. The zero value knows none.
type knownBodies [1024]atomic.Uint64

func (k *knownBodies) valid(body []byte) bool {
	hash := maphash.Bytes(bodySeed, body)
	known := &k[hash%uint64(len(k))]
	if known.Load() == hash {
		return true
	}
	if !json.Valid(body) {
		return false
	}
	known.Store(hash)
	return true
}
