// Package redisconn is how the runtime talks to Redis: one client, one time
// budget per query and one breaker, shared by all that use the server, so that a
// Redis that is slow or gone costs a query little once and nothing after that.
//
// It may not know what is kept in Redis. Plain Redis 6.2 and newer, Valkey and
// ElastiCache will do; no modules are used.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/config"
)

// backgroundTimeout bounds work that no query waits for: writes behind answers,
// following invalidations. A server that needs longer is as good as gone.
const backgroundTimeout = time.Second

// ErrUnavailable says that Redis was not asked, because it failed just now or
// because the query has spent its budget.
var ErrUnavailable = errors.New("redis is not asked for now")

// ErrBusy says that Redis was not asked because there was no turn in time: so many
// others were asking. It says nothing of Redis.
var ErrBusy = fmt.Errorf("%w: too many are asking", ErrUnavailable)

// Conn is a connection pool with its budget and breaker. Make one with [Open].
type Conn struct {
	// Client runs the commands. Only functions given to Background and Probe may
	// use it: they bound its time and record how it went.
	Client redis.UniversalClient

	budget  time.Duration
	breaker breaker
	batches batcher
	// slots are as many as the pool has connections. Whoever uses the client holds
	// one, so that nobody waits inside it, where waiting for a connection could not
	// be told from waiting for Redis.
	slots chan struct{}
}

// Open prepares the pool; it does not wait for the server, which may come later.
// Budget is the most time that Redis may take from one query.
func Open(cfg config.Redis, budget time.Duration) (*Conn, error) {
	quietClientLog()
	options, err := options(cfg)
	if err != nil {
		return nil, err
	}
	c := &Conn{Client: redis.NewUniversalClient(options), budget: budget, slots: make(chan struct{}, max(options.PoolSize, 1))}
	c.batches = batcher{conn: c, max: min(maxBatches, cap(c.slots))}
	return c, nil
}

// Close closes the pool.
func (c *Conn) Close() error { return c.Client.Close() }

// Available tells whether the last that was heard of the server was good.
func (c *Conn) Available() bool { return !c.breaker.open.Load() }

// LastError is why the server is not available; nil when it is.
func (c *Conn) LastError() error { return c.breaker.lastError() }

// Ask runs commands for a query, in one round trip and perhaps together with those
// of other queries: within the budget that its context has left, and only while the
// server is available. It may be called by any number of queries at a time, whatever
// the size of the pool. Each command has its own result, which may be the error
// [redis.Nil]; none of them may be looked at where Ask returns an error.
func (c *Conn) Ask(ctx context.Context, commands ...redis.Cmder) error {
	if !c.Available() {
		return ErrUnavailable
	}
	limit := c.budget
	spent, _ := ctx.Value(budgetKey{}).(*budget)
	if spent == nil {
		return c.batches.ask(ctx, limit, commands)
	}
	if limit = spent.left(limit); limit <= 0 {
		return ErrUnavailable
	}
	start := time.Now()
	err := c.batches.ask(ctx, limit, commands)
	spent.take(time.Since(start))
	return err
}

// Background runs f for work that no query waits for, within a second, and only
// while the server is available.
func (c *Conn) Background(ctx context.Context, f func(context.Context) error) error {
	if !c.Available() {
		return ErrUnavailable
	}
	return c.run(ctx, backgroundTimeout, f)
}

// Probe runs f, also when the server is not available, to find out whether it is
// again. It is only when f took no longer than a query may wait: a server that
// answers too late would open the breaker again at once. Somebody has to call
// it regularly; queries never do, so that none pays for finding out.
func (c *Conn) Probe(ctx context.Context, f func(context.Context) error) error {
	probe, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	if err := c.enter(probe); err != nil {
		return err
	}
	defer c.exit()
	start := time.Now()
	err := f(probe)
	switch {
	case ctx.Err() != nil:
	case isFailure(err):
		c.breaker.failure(err)
	case time.Since(start) <= c.budget:
		c.breaker.close()
	}
	return err
}

// enter waits for a connection to be free.
func (c *Conn) enter(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ErrBusy
	}
}

func (c *Conn) exit() { <-c.slots }

// run bounds f and tells the breaker how it went. That the caller went away or
// had less time than the limit says nothing of the server, nor does that there was
// no connection free.
func (c *Conn) run(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := c.enter(bounded); err != nil {
		return err
	}
	defer c.exit()
	err := f(bounded)
	switch {
	case ctx.Err() != nil:
	case isFailure(err):
		if callerDeadline, ok := ctx.Deadline(); !ok || time.Now().Before(callerDeadline) {
			c.breaker.failure(err)
		}
	default:
		c.breaker.success()
	}
	return err
}

var quietOnce sync.Once

// quietClientLog keeps the client library from writing a line to stderr for
// every failed attempt: the breaker says once when Redis goes and once when it
// comes back.
func quietClientLog() {
	quietOnce.Do(func() { redis.SetLogger(debugLog{}) })
}

type debugLog struct{}

func (debugLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, "redis client", "format", format, "args", args)
}
