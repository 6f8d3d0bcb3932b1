package query

import (
	"context"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/generate"
)

// Cached returns an answer that is in this process's memory. It neither waits nor
// starts anything but the renewal of a stale answer, so it needs no admission.
// A curated answer comes before any that was kept, which may be of an older FAQ.
func (s *Service) Cached(r *Request) (Result, bool) {
	if s.Cache == nil {
		return Result{}, false
	}
	if curated, ok := s.Cache.FAQ(r.Question); ok {
		result, err := s.curated(r, curated)
		return result, err == nil
	}
	if !r.Cache.reads() {
		return Result{}, false
	}
	hit, ok := s.Cache.Local(r.key)
	if !ok || !r.accepts(hit) {
		return Result{}, false
	}
	return s.fromCache(r, hit, hit.Body), true
}

// Answer answers a request that Cached could not. Where emit is not nil it is
// called with each piece of an answer that the model makes now, on the calling
// goroutine; an answer from a cache comes whole, in the result only. An error is
// an [*Error], or the context's own where it ended first, or emit's. The configured
// time of a query bounds it, with [context.DeadlineExceeded]; ctx needs no deadline.
func (s *Service) Answer(ctx context.Context, r *Request, emit func(delta string) error) (Result, error) {
	key, deadline := s.flightKey(r, emit != nil), s.deadline(r)
	f, run := s.flights.join(ctx, key, deadline, func(ctx context.Context, f *flight) (Result, error) {
		return s.work(ctx, r, f)
	})
	switch {
	case run == nil:
		s.Metrics.Coalesced()
	case emit != nil: // what is slow to take the pieces must not hold up the others
		go run()
	default:
		return f.lead(ctx, run)
	}
	defer f.leave()
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	return f.wait(ctx, emit)
}

// deadline is when the time of a query is over.
func (s *Service) deadline(r *Request) time.Time {
	if r.Arrived.IsZero() {
		return time.Now().Add(s.timeout)
	}
	return r.Arrived.Add(s.timeout)
}

// flightKey is not shared where the caller wants an answer of its own, and where
// there is no cache to say which questions are equal.
func (s *Service) flightKey(r *Request, streams bool) flightKey {
	if s.Cache == nil || !r.Cache.reads() || r.Cache.MaxAge > 0 || r.Cache.SemanticThreshold > 0 {
		return flightKey{streams: streams}
	}
	return flightKey{key: r.key, streams: streams}
}

// accepts reports whether the caller takes an answer of that age.
func (r *Request) accepts(hit cache.Hit) bool {
	return r.Cache.MaxAge == 0 || hit.Age <= r.Cache.MaxAge
}

// fromCache makes a hit a result, and has a stale one made anew.
func (s *Service) fromCache(r *Request, hit cache.Hit, body []byte) Result {
	result := Result{Body: body, Tier: hit.Tier, Age: hit.Age}
	if hit.Stale {
		result.Tier = cache.TierStale
		s.revalidate(r)
	}
	return result
}

// revalidate makes the answer anew behind the caller's back, unless that is being
// done or too much of it is.
func (s *Service) revalidate(r *Request) {
	key := s.flightKey(r, false)
	if !key.shared() || s.flights.running(key) {
		return
	}
	select {
	case s.revalidations <- struct{}{}:
	default:
		return
	}
	fresh := *r
	fresh.Cache.Mode = CacheRefresh
	// The flight has no caller but itself: nothing cancels it but its deadline.
	f, run := s.flights.join(context.Background(), key, time.Now().Add(s.timeout), func(ctx context.Context, f *flight) (Result, error) {
		defer func() { <-s.revalidations }()
		return s.work(ctx, &fresh, f)
	})
	if run == nil { // somebody was quicker
		f.leave()
		<-s.revalidations
		return
	}
	go run()
}

// curated renders an answer of the FAQ.
func (s *Service) curated(r *Request, a cache.Answer) (Result, error) {
	answer := &Answer{Question: r.Question, Text: a.Answer, FinishReason: generate.FinishStop, UserContext: UserContextNone, Created: time.Now()}
	body, err := r.Representation.Render(answer)
	if err != nil {
		return Result{}, &Error{Part: PartRuntime, Err: err}
	}
	return Result{Body: body, Tier: cache.TierFAQ, Answer: answer}, nil
}
