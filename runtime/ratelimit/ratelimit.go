// Package ratelimit bounds how often one caller may ask, over all replicas.
//
// It counts in Redis, in one round trip and within the cache's budget. Where
// Redis cannot be asked it fails open, but not wide: each replica then bounds its
// callers by itself, at the whole rate, so that a caller may get as many times
// the rate as there are replicas. It never refuses because of its own trouble.
//
// The package may not know who callers are: a key is whatever names one.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/redisconn"
)

// Decision says whether a request may go on.
type Decision struct {
	Allowed bool
	// Limit is the requests per minute.
	Limit int
	// Remaining is how many more requests would be let through at once.
	Remaining int
	// RetryAfter is how long to wait before the next try; 0 when allowed.
	RetryAfter time.Duration
}

// Limiter bounds callers by the generic cell rate algorithm (ITU-T I.371): over
// time each gets the rate, and one who was quiet may send up to a minute's worth
// at once. Make one with [New].
type Limiter struct {
	conn     *redisconn.Conn
	service  string
	limit    int
	interval time.Duration // between requests at the rate
	local    *localCells
	requests *prometheus.CounterVec
}

// New limits each caller to so many requests per minute, which must be greater
// than 0. Services that share a Redis are kept apart by their name. Without a
// connection each replica counts by itself.
func New(conn *redisconn.Conn, service string, perMinute int) (*Limiter, error) {
	if perMinute <= 0 {
		return nil, fmt.Errorf("the rate limit is %d requests per minute, and must be greater than 0", perMinute)
	}
	l := &Limiter{
		conn: conn, service: service, limit: perMinute, interval: max(time.Minute/time.Duration(perMinute), time.Microsecond),
		local: newLocalCells(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rag_ratelimit_requests_total",
			Help: "Requests by whether they were allowed or limited, and by who counted (redis, local).",
		}, []string{"result", "by"}),
	}
	// Every series from the start: a rate of one that appears with its first count
	// misses that count.
	for _, result := range []string{"allowed", "limited"} {
		for _, by := range []string{"redis", "local"} {
			l.requests.WithLabelValues(result, by)
		}
	}
	return l, nil
}

// Close ends what runs in the background. It leaves the connection open.
func (l *Limiter) Close() { l.local.close() }

// Describe implements [prometheus.Collector].
func (l *Limiter) Describe(ch chan<- *prometheus.Desc) { l.requests.Describe(ch) }

// Collect implements [prometheus.Collector].
func (l *Limiter) Collect(ch chan<- prometheus.Metric) { l.requests.Collect(ch) }

// Allow counts a request of the caller and decides. A refused one is not
// counted: a caller that keeps trying is not kept out for longer.
func (l *Limiter) Allow(ctx context.Context, caller string) Decision {
	id := sha256.Sum256([]byte(caller)) // keys of callers are secrets
	wait, ahead, by := l.ask(ctx, id)
	d := Decision{Allowed: wait <= 0, Limit: l.limit, RetryAfter: max(wait, 0)}
	result := "limited"
	if d.Allowed {
		result = "allowed"
		d.Remaining = max(l.limit-int((ahead+l.interval-1)/l.interval), 0)
	}
	l.requests.WithLabelValues(result, by).Inc()
	return d
}

// ask returns how long the caller has to wait, and how far ahead of the rate it
// is, this request included.
func (l *Limiter) ask(ctx context.Context, id [sha256.Size]byte) (wait, ahead time.Duration, by string) {
	burst := time.Duration(l.limit) * l.interval
	if l.conn == nil {
		wait, ahead = l.local.take(id, time.Now(), l.interval, burst)
		return wait, ahead, "local"
	}
	key := "rag:v1:ratelimit:" + l.service + ":" + hex.EncodeToString(id[:16])
	reply, err := l.take(ctx, key, burst)
	if err != nil || len(reply) != 2 {
		wait, ahead = l.local.take(id, time.Now(), l.interval, burst)
		return wait, ahead, "local"
	}
	return time.Duration(reply[0]) * time.Microsecond, time.Duration(reply[1]) * time.Microsecond, "redis"
}

// take runs the algorithm in Redis, which is sent the script itself only where it
// does not have it yet.
func (l *Limiter) take(ctx context.Context, key string, burst time.Duration) ([]int64, error) {
	reply := redis.NewCmd(ctx, "evalsha", take.Hash(), 1, key, l.interval.Microseconds(), burst.Microseconds())
	if err := l.conn.Ask(ctx, reply); err != nil {
		return nil, err
	}
	if redis.HasErrorPrefix(reply.Err(), "NOSCRIPT") {
		reply = redis.NewCmd(ctx, "eval", takeSource, 1, key, l.interval.Microseconds(), burst.Microseconds())
		if err := l.conn.Ask(ctx, reply); err != nil {
			return nil, err
		}
	}
	return reply.Int64Slice()
}

// take is the algorithm in Redis, by the server's own clock, so that replicas
// whose clocks differ count alike. The key holds when the caller will be back at
// the rate. It uses nothing that ElastiCache or Valkey would refuse: one key,
// which is passed in, and no other state.
var take = redis.NewScript(takeSource)

const takeSource = `
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local back = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
if back - burst > now then
  return {back - burst - now, back - interval - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', back), 'PX', math.ceil((back - now) / 1000))
return {0, back - now}
`
