package upstream

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// calls plays back a list of results and records when it was called.
type calls struct {
	start   time.Time
	results []error
	at      []time.Duration
}

func (c *calls) next(context.Context) (string, error) {
	c.at = append(c.at, time.Since(c.start))
	err := c.results[min(len(c.at), len(c.results))-1]
	if err != nil {
		return "", err
	}
	return "answer", nil
}

func TestDoRetries(t *testing.T) {
	unavailable := &Error{Kind: KindUnavailable, Status: 503}
	tests := []struct {
		name      string
		timeout   time.Duration
		results   []error
		wantCalls int
		wantKind  Kind          // empty for success
		wantWait  time.Duration // at least, before the last attempt
	}{
		{name: "success", results: []error{nil}, wantCalls: 1},
		{name: "success the second time", results: []error{unavailable, nil}, wantCalls: 2, wantWait: backoff},
		{name: "three attempts and no more", results: []error{unavailable}, wantCalls: 3, wantKind: KindUnavailable},
		{name: "an error of no kind", results: []error{errors.New("broken pipe")}, wantCalls: 3, wantKind: KindUnavailable},
		{name: "rejected", results: []error{&Error{Kind: KindRejected, Status: 400}}, wantCalls: 1, wantKind: KindRejected},
		{name: "part of it has gone out", results: []error{&Error{Kind: KindTimeout, Partial: true}}, wantCalls: 1, wantKind: KindTimeout},
		{
			name: "Retry-After is kept", results: []error{&Error{Kind: KindRateLimited, RetryAfter: 2 * time.Second}, nil},
			wantCalls: 2, wantWait: 2 * time.Second,
		},
		{
			name: "Retry-After beyond the deadline is not waited for", timeout: time.Second,
			results: []error{&Error{Kind: KindRateLimited, RetryAfter: 2 * time.Second}}, wantCalls: 1, wantKind: KindRateLimited,
		},
		{
			name: "no time for another attempt", timeout: 50 * time.Millisecond,
			results: []error{unavailable}, wantCalls: 1, wantKind: KindUnavailable,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				timeout := tt.timeout
				if timeout == 0 {
					timeout = time.Minute
				}
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				c := &calls{start: time.Now(), results: tt.results}
				value, err := Do(ctx, new(Registry).New("model"), c.next)
				if len(c.at) != tt.wantCalls {
					t.Errorf("%d calls, want %d", len(c.at), tt.wantCalls)
				}
				if waited := c.at[len(c.at)-1]; waited < tt.wantWait {
					t.Errorf("waited %s, want at least %s", waited, tt.wantWait)
				}
				if tt.wantKind == "" {
					if value != "answer" || err != nil {
						t.Errorf("got %q, %v, want an answer", value, err)
					}
					return
				}
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Kind != tt.wantKind || e.Upstream != "model" {
					t.Errorf("got %v, want an error of model of kind %s", err, tt.wantKind)
				}
			})
		})
	}
}

// TestRetryBudget has many calls fail at once, and those that are made again hang.
func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 40
		u := new(Registry).New("model")
		var first, again atomic.Int64
		held, failed := make(chan struct{}), make(chan error, callers)
		for range callers {
			attempts := 0
			go func() {
				_, err := Do(t.Context(), u, func(context.Context) (int, error) {
					if attempts++; attempts == 1 {
						first.Add(1)
						return 0, &Error{Kind: KindRateLimited} // which does not open the breaker
					}
					again.Add(1)
					<-held
					return 0, nil
				})
				failed <- err
			}()
		}
		time.Sleep(2 * backoff) // the bubble's clock
		synctest.Wait()
		// While all but a few give up, their share of the calls in flight grows.
		if got := again.Load(); first.Load() != callers || got < minRetries || got > maxRetryRate*callers {
			t.Errorf("%d of %d calls are made again, want no more than a fifth", got, first.Load())
		}
		close(held)
		gaveUp := 0
		for range callers {
			if err := <-failed; err != nil {
				gaveUp++
			}
		}
		if want := callers - int(again.Load()); gaveUp != want {
			t.Errorf("%d calls failed, want %d", gaveUp, want)
		}
		if n := u.budget.retries.Load() + u.budget.calls.Load(); n != 0 {
			t.Errorf("%d are still counted", n)
		}
	})
}

func TestDoEndsWithItsContext(t *testing.T) {
	hang := func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	fail := func(context.Context) (string, error) { return "", &Error{Kind: KindUnavailable} }
	tests := []struct {
		name     string
		call     func(context.Context) (string, error)
		cancel   bool // the caller goes away; else time runs out
		wantKind Kind // empty for context.Canceled
	}{
		{name: "caller gone in the middle of a call", call: hang, cancel: true},
		{name: "caller gone between two calls", call: fail, cancel: true},
		{name: "out of time in the middle of a call", call: hang, wantKind: KindTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const after = 50 * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), after)
				if tt.cancel {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(after, cancel)
				}
				defer cancel()
				start := time.Now()
				_, err := Do(ctx, new(Registry).New("model"), tt.call)
				if took := time.Since(start); took != after {
					t.Errorf("took %s, want %s", took, after)
				}
				e, _ := errors.AsType[*Error](err)
				if tt.wantKind == "" && !errors.Is(err, context.Canceled) || tt.wantKind != "" && (e == nil || e.Kind != tt.wantKind) {
					t.Errorf("got %v, want kind %q", err, tt.wantKind)
				}
			})
		})
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		observed := results{}
		registry := &Registry{Observer: observed}
		u := registry.New("model")
		failing, failure := 0, error(&Error{Kind: KindUnavailable, Status: 500})
		var failed time.Time
		fail := func(context.Context) (int, error) { failing++; failed = time.Now(); return 0, failure }
		succeed := func(context.Context) (int, error) { return 1, nil }

		for range breakerFailures {
			Do(t.Context(), u, fail) //nolint:errcheck // the failures are what is wanted
		}
		if failing != breakerFailures {
			t.Errorf("asked %d times, want %d: an open breaker must let no call through", failing, breakerFailures)
		}
		_, err := Do(t.Context(), u, succeed)
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindUnavailable || e.RetryAfter <= 0 || e.RetryAfter > breakerDelay {
			t.Errorf("open: got %v, want unavailable with a RetryAfter up to %s", err, breakerDelay)
		}

		time.Sleep(breakerDelay) // the bubble's clock
		ctx, cancel := context.WithCancel(t.Context())
		_, err = Do(ctx, u, func(context.Context) (int, error) { cancel(); return 0, ctx.Err() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if got := u.Health().Breaker; got != "open" {
			t.Errorf("after a probe whose caller went away: breaker is %s, want open", got)
		}

		time.Sleep(breakerDelay)
		_, err = Do(t.Context(), u, func(context.Context) (int, error) { return 0, &Error{Kind: KindExhausted} })
		if got := u.Health().Breaker; err == nil || got != "open" {
			t.Errorf("after a probe that could not be made: %v, and the breaker is %s, want open", err, got)
		}

		time.Sleep(breakerDelay)
		if _, err := Do(t.Context(), u, succeed); err != nil {
			t.Errorf("the probe: %v", err)
		}
		want := []Health{{
			Upstream: "model", Breaker: "closed", LastSuccess: time.Now(), LastFailure: failed,
			Failure: KindUnavailable, Message: "model: unavailable (status 500)",
		}}
		if diff := cmp.Diff(want, registry.Health()); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
		wantObserved := results{"model unavailable": breakerFailures, "model open": 6, "model canceled": 1, "model exhausted": 1, "model ok": 1}
		if diff := cmp.Diff(wantObserved, observed); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

// results counts what an observer is told.
type results map[string]int

func (r results) Called(upstream, result string, _ time.Duration) { r[upstream+" "+result]++ }

// BenchmarkDo is what the policies cost a call that succeeds at once.
func BenchmarkDo(b *testing.B) {
	u := new(Registry).New("model")
	call := func(context.Context) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Do(b.Context(), u, call); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRegistryNames(t *testing.T) {
	var r Registry
	got := []string{r.New("openai").Name(), r.New("openai").Name(), r.New("anthropic").Name(), r.New("openai").Name()}
	if diff := cmp.Diff([]string{"openai", "openai-2", "anthropic", "openai-3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDoSurvivesPanics has a client panic over what a server said: that is an error
// of this call, and the breaker's business as any other.
func TestDoSurvivesPanics(t *testing.T) {
	u := newUpstream("model", nil)
	attempts := 0
	_, err := Do(t.Context(), u, func(context.Context) (string, error) {
		attempts++
		var choices []string
		return choices[0], nil
	})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != KindInvalidResponse || e.Upstream != "model" {
		t.Errorf("got %v, want an invalid response of the model", err)
	}
	if attempts != 1 {
		t.Errorf("%d attempts, want 1: the same answer would be given again", attempts)
	}
	if h := u.Health(); h.Failure != KindInvalidResponse {
		t.Errorf("health tells of %q", h.Failure)
	}
	if got, err := Do(t.Context(), u, func(context.Context) (string, error) { return "fine", nil }); got != "fine" || err != nil {
		t.Errorf("the next call: %q, %v", got, err)
	}
}
