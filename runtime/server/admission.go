package server

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/telemetry"
)

// codeOverloaded is the error code of a query that was shed.
const codeOverloaded = "overloaded"

// adaptiveFloor is the least that the adaptive limit falls to, as a share of
// MaxInFlight. Answers differ in length by nature, so a limit that follows their
// time too eagerly would shed queries of a service that is well.
const adaptiveFloor = 8

// admission bounds the queries that are worked on at once and those that wait for
// a place. Below the bound an adaptive limit follows how long queries take: it
// falls when more of them at once only makes all of them slower.
type admission struct {
	limiter   adaptivelimiter.AdaptiveLimiter[any]
	queued    atomic.Int64
	maxQueued int64
	maxWait   time.Duration
	metrics   *telemetry.Metrics
}

func newAdmission(cfg config.Server, metrics *telemetry.Metrics) *admission {
	limit := uint(cfg.MaxInFlight)
	limiter := adaptivelimiter.NewBuilder[any]().
		WithLimits(max(1, limit/adaptiveFloor), limit, limit).
		// A burst may take all places at once, however few were taken before.
		WithMaxLimitFunc(func(int) float64 { return float64(limit) }).
		Build()
	return &admission{limiter: limiter, maxQueued: int64(cfg.MaxQueued), maxWait: cfg.QueueTimeout, metrics: metrics}
}

// enter waits for a place. Whoever gets one must call leave.
func (a *admission) enter(ctx context.Context) (adaptivelimiter.Permit, error) {
	if permit, ok := a.limiter.TryAcquirePermit(); ok {
		return permit, nil
	}
	if a.queued.Add(1) > a.maxQueued {
		a.queued.Add(-1)
		return nil, a.shed(telemetry.ShedQueueFull)
	}
	defer a.queued.Add(-1)
	permit, err := a.limiter.AcquirePermitWithMaxWait(ctx, a.maxWait)
	switch {
	case err == nil:
		return permit, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, adaptivelimiter.ErrExceeded):
		return nil, a.shed(telemetry.ShedQueueTimeout)
	}
	return nil, err
}

// leave gives the place back. Only whole work says how long work takes.
func (a *admission) leave(permit adaptivelimiter.Permit, whole bool) {
	if whole {
		permit.Record()
		return
	}
	permit.Drop()
}

func (a *admission) shed(reason telemetry.ShedReason) error {
	a.metrics.Shed(reason)
	return &statusError{
		status: http.StatusServiceUnavailable, code: codeOverloaded, retryAfter: max(time.Second, a.maxWait),
		message: "The service is overloaded; ask again after the seconds that Retry-After names.",
	}
}
