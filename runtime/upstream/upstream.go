// Package upstream calls the servers that a query depends on: it tries again
// within a budget, stops asking a server that fails, and knows how each one is.
// It gives the failures of all of them one type, [Error]. It knows nothing of
// what is asked.
package upstream

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

const (
	// maxAttempts of one call, the first included.
	maxAttempts = 3
	// backoff before the second attempt; it doubles each time, and is up to a
	// quarter longer, so that callers do not come back all at once.
	backoff = 100 * time.Millisecond
	// Of all calls in flight at most this share may be making a retry, and always
	// minRetries of them: a server in trouble is not buried under retries.
	maxRetryRate = 0.2
	minRetries   = 3
	// The breaker opens when this many of the last calls failed, and lets one
	// probe through after breakerDelay.
	breakerFailures = 8
	breakerCalls    = 10
	breakerDelay    = 5 * time.Second
)

// Upstream is one server that is called. Make one with [Registry.New].
type Upstream struct {
	name     string
	observer Observer
	breaker  circuitbreaker.CircuitBreaker[any]
	budget   budget

	lastSuccess atomic.Int64 // Unix nanoseconds
	lastFailure atomic.Pointer[failure]
}

type failure struct {
	at  time.Time
	err *Error
}

// Health is what is known about an upstream, without asking it.
type Health struct {
	Upstream string `json:"upstream"`
	// Breaker is closed (calls go through), open or half-open.
	Breaker string `json:"breaker"`
	// LastSuccess and LastFailure are zero where there was none yet.
	LastSuccess time.Time `json:"lastSuccess,omitzero"`
	LastFailure time.Time `json:"lastFailure,omitzero"`
	// Failure is the kind of the last failure.
	Failure Kind `json:"failure,omitempty"`
	// Message of the last failure.
	Message string `json:"message,omitempty"`
}

func newUpstream(name string, observer Observer) *Upstream {
	u := &Upstream{name: name, observer: observer}
	u.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThresholdRatio(breakerFailures, breakerCalls).
		WithSuccessThreshold(1).
		WithDelay(breakerDelay).
		Build()
	return u
}

// Name of the upstream, for a metric's label.
func (u *Upstream) Name() string { return u.name }

// Health returns what is known from the calls so far.
func (u *Upstream) Health() Health {
	h := Health{Upstream: u.name, Breaker: u.breaker.State().String()}
	if at := u.lastSuccess.Load(); at != 0 {
		h.LastSuccess = time.Unix(0, at)
	}
	if f := u.lastFailure.Load(); f != nil {
		h.LastFailure, h.Failure, h.Message = f.at, f.err.Kind, f.err.Error()
	}
	return h
}

// trips reports whether the breaker counts the error. A caller who goes away, or a
// call that was not made, says nothing about the server, but must not close a
// breaker that was open.
func (u *Upstream) trips(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != KindExhausted {
		return e.broken()
	}
	return err != nil && u.breaker.IsHalfOpen()
}

// delay is how long to wait after so many attempts: the backoff, or longer where the server
// asks for it.
func delay(e *Error, attempts int) time.Duration {
	wait := max(backoff<<(attempts-1), e.RetryAfter)
	return wait + rand.N(wait/4)
}

// budget bounds retries by the calls in flight.
type budget struct {
	calls, retries atomic.Int32
}

// beginCall counts a call, from its first attempt to its last.
func (b *budget) beginCall() { b.calls.Add(1) }

func (b *budget) endCall() { b.calls.Add(-1) }

// beginRetry reports whether a retry may begin. One that may must end.
func (b *budget) beginRetry() bool {
	if n := b.retries.Add(1); n > minRetries && float64(n) > maxRetryRate*float64(b.calls.Load()) {
		b.retries.Add(-1)
		return false
	}
	return true
}

func (b *budget) endRetry() { b.retries.Add(-1) }
