package redisconn

import (
	"context"
	"sync/atomic"
	"time"
)

type budgetKey struct{}

// budget is what one query has spent on Redis.
type budget struct{ spent atomic.Int64 }

func (b *budget) left(limit time.Duration) time.Duration {
	return limit - time.Duration(b.spent.Load())
}

func (b *budget) take(d time.Duration) { b.spent.Add(int64(d)) }

// WithBudget returns a context for one query: all calls of Ask under it share
// one budget, so that several look-ups in a row cannot add up.
func WithBudget(ctx context.Context) context.Context {
	return context.WithValue(ctx, budgetKey{}, new(budget))
}
