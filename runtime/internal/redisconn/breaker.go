package redisconn

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// failuresToOpen is how many calls in a row have to fail before Redis is left
// alone. One slow reply is not an outage; with five, an outage has cost the
// queries that met it one budget each.
const failuresToOpen = 5

// breaker counts failures in a row. It closes only by a probe in the background,
// never by a query, which is why it is no half-open breaker from a library.
type breaker struct {
	failures atomic.Int32
	open     atomic.Bool
	last     atomic.Pointer[error]
}

func (b *breaker) success() {
	// Reading first keeps the cache line shared between cores while all is well.
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

func (b *breaker) failure(err error) {
	if b.failures.Add(1) < failuresToOpen {
		return
	}
	b.last.Store(&err)
	if b.open.CompareAndSwap(false, true) {
		slog.Warn("Redis does not answer in time; the cache works without it until it does", "error", err)
	}
}

func (b *breaker) close() {
	b.failures.Store(0)
	if b.open.CompareAndSwap(true, false) {
		slog.Info("Redis answers again")
	}
}

func (b *breaker) lastError() error {
	if err := b.last.Load(); err != nil && b.open.Load() {
		return *err
	}
	return nil
}

// isFailure tells whether err says that the server cannot be used. A missing key
// does not, nor does a reply that refuses this one command, such as a write for
// which there is no memory: reads still work then.
func isFailure(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return false
	}
	if refused, ok := errors.AsType[redis.Error](err); !ok || refused == nil {
		return true
	}
	return redis.IsLoadingError(err) || redis.IsReadOnlyError(err) || redis.IsClusterDownError(err) ||
		redis.IsMasterDownError(err) || redis.IsMaxClientsError(err) || redis.IsAuthError(err) ||
		redis.IsPermissionError(err) || redis.IsNoReplicasError(err)
}
