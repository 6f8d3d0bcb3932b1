package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	var (
		e       Entry
		expires time.Time
		found   bool
	)
	err := c.conn.Query(ctx, func(ctx context.Context) (err error) {
		if k.legacy {
			e, expires, found, err = c.getLegacy(ctx, k)
		} else {
			e, expires, found, err = c.get(ctx, k)
		}
		return err
	})
	if err == nil && found {
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

func (c *Cache) get(ctx context.Context, k Key) (Entry, time.Time, bool, error) {
	raw, err := c.conn.Client.Get(ctx, k.redisKey(c.epoch)).Bytes()
	if err != nil {
		return Entry{}, time.Time{}, false, err
	}
	f, ok := decodeFrame(raw)
	if !ok || f.question != k.question || !c.log.Load().allows(f.moment, k.partition, k.question) {
		return Entry{}, time.Time{}, false, nil
	}
	return Entry{Body: f.body, Stored: f.stored}, f.stored.Add(c.cfg.TTL + c.cfg.StaleTTL), true, nil
}

// getLegacy reads an answer that the old service may have written: a JSON object,
// passed on byte for byte. Its age follows from the time it has left.
func (c *Cache) getLegacy(ctx context.Context, k Key) (Entry, time.Time, bool, error) {
	var (
		value *redis.StringCmd
		left  *redis.DurationCmd
	)
	key := k.redisKey(c.epoch)
	_, err := c.conn.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		value, left = p.Get(ctx, key), p.PTTL(ctx, key)
		return nil
	})
	if err != nil {
		return Entry{}, time.Time{}, false, err
	}
	body, _ := value.Bytes() // its error is the pipeline's
	if !bytes.HasPrefix(body, []byte("{")) || !json.Valid(body) {
		return Entry{}, time.Time{}, false, nil
	}
	now := time.Now()
	remaining := left.Val()
	if remaining < 0 || remaining > legacyTTL { // no expiry, or another one than agreed
		remaining = legacyTTL
	}
	return Entry{Body: body, Stored: now.Add(remaining - legacyTTL)}, now.Add(remaining), true, nil
}

// write is what puts an answer into Redis.
func (c *Cache) write(k Key, e Entry, ttl time.Duration) write {
	if k.legacy {
		return write{key: k.redisKey(c.epoch), value: e.Body, ttl: legacyTTL}
	}
	f := frame{stored: e.Stored, moment: k.moment, question: k.question, body: e.Body}
	return write{key: k.redisKey(c.epoch), value: f.encode(), ttl: ttl}
}
