package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime/debug"
	"syscall"
	"time"
)

// Do makes a call, again where it failed and may succeed the next time, as long
// as ctx lasts. It returns the last attempt's error: an [*Error], or
// [context.Canceled] where the caller went away. An error of call that is none
// of the two counts as a timeout or as the server not being available.
//
// The loop is plain, and not that of a library of policies wrapped around each other, since
// every question waits inside of it: their frames and closures were a twentieth of the CPU
// time of a miss.
func Do[T any](ctx context.Context, u *Upstream, call func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, u.classify(ctx, err)
	}
	u.budget.beginCall()
	defer u.budget.endCall()
	if !u.breaker.TryAcquirePermit() {
		return zero, u.refuse()
	}
	value, err := once(ctx, u, call)
	for attempts := 1; again(ctx, err, attempts) && u.budget.beginRetry(); attempts++ {
		permitted := u.breaker.TryAcquirePermit()
		if permitted {
			value, err = once(ctx, u, call)
		}
		u.budget.endRetry()
		if !permitted {
			break
		}
	}
	switch {
	case err == nil: // even where ctx ended just now
		return value, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return zero, context.Canceled
	}
	return zero, err
}

// once makes one attempt, and has the breaker and the health know how it went.
func once[T any](ctx context.Context, u *Upstream, call func(context.Context) (T, error)) (T, error) {
	start := time.Now()
	value, err := guarded(ctx, call)
	err = u.classify(ctx, err)
	if u.trips(err) {
		u.breaker.RecordFailure()
	} else {
		u.breaker.RecordSuccess()
	}
	u.record(err, time.Since(start))
	return value, err
}

// again reports whether another attempt is to follow one that failed, once it is time for
// it.
func again(ctx context.Context, err error, attempts int) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.transient() || attempts >= maxAttempts {
		return false
	}
	timer := time.NewTimer(delay(e, attempts))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// guarded calls a server. A panic of its client, over an answer that it does not
// expect, becomes an error that is not tried again: many calls run on goroutines
// of their own, where nothing else would keep it from ending the process.
func guarded[T any](ctx context.Context, call func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("recovered from a panic", "panic", p, "stack", string(debug.Stack()))
			err = &Error{Kind: KindInvalidResponse, Err: fmt.Errorf("panic: %v", p), final: true}
		}
	}()
	return call(ctx)
}

// classify gives an error of a call its kind.
func (u *Upstream) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	e := &Error{Upstream: u.name}
	if known, ok := errors.AsType[*Error](err); ok {
		*e = *known
		e.Upstream = u.name
	} else {
		e.Kind, e.Err = kindOf(ctx, err), withoutURL(err)
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < max(e.RetryAfter, backoff) {
		e.final = true
	}
	return e
}

func kindOf(ctx context.Context, err error) Kind {
	timeout, ok := errors.AsType[net.Error](err)
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout() {
		return KindTimeout
	}
	for _, errno := range exhausted {
		if errors.Is(err, errno) {
			return KindExhausted
		}
	}
	return KindUnavailable
}

// exhausted is what the system says when it has nothing left for a connection:
// no port for that server, no file for this process or at all, no buffers.
var exhausted = []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS}

// withoutURL takes the URL out of an error of net/http: it may hold a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// record tells health and observer of an attempt.
func (u *Upstream) record(err error, took time.Duration) {
	result := "ok"
	if e, ok := errors.AsType[*Error](err); ok {
		result = string(e.Kind)
		if e.Kind != KindExhausted { // which is no failure of the server
			u.lastFailure.Store(&failure{at: time.Now(), err: e})
		}
	} else if err != nil {
		result = "canceled"
	} else {
		u.lastSuccess.Store(time.Now().UnixNano())
	}
	u.observe(result, took)
}

func (u *Upstream) observe(result string, took time.Duration) {
	if u.observer != nil {
		u.observer.Called(u.name, result, took)
	}
}

// refuse returns the error of a call that the breaker did not let through.
func (u *Upstream) refuse() error {
	u.observe("open", 0)
	return &Error{
		Upstream: u.name, Kind: KindUnavailable, RetryAfter: u.breaker.RemainingDelay(),
		Err: errors.New("not asked, because the calls before failed"),
	}
}
