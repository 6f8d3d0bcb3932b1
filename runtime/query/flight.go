package query

import (
	"context"
	"sync"
	"time"

	"ragops.dev/ragservice/runtime/cache"
)

// flight is work on one question that any number of callers wait for. It is apart
// from the context of the caller who came first, even where it runs on that
// caller's goroutine, and is cancelled when the last caller is gone.
type flight struct {
	done   chan struct{} // closed when result and err are set
	result Result
	err    error

	// deadline is when the work ends at the latest; who comes after lastJoin would
	// inherit one that is almost over.
	deadline, lastJoin time.Time
	cancel             context.CancelFunc
	streams            bool

	mu      sync.Mutex
	callers int
	text    []byte        // all that was emitted so far
	grown   chan struct{} // closed when text grows; nil where nobody waits for it
}

// flights are the work in progress, by key. The zero value is ready to use.
type flights struct {
	mu    sync.Mutex
	byKey map[flightKey]*flight
	wg    sync.WaitGroup
}

// flightKey keeps streams apart: who streams must not wait for an answer that
// arrives whole. The cache's key also tells apart what was asked before and after
// an invalidation.
type flightKey struct {
	key     cache.Key
	streams bool
}

// shared reports whether equal questions may share the work.
func (k flightKey) shared() bool { return k.key != cache.Key{} }

// join returns the flight of that key. Where there is none that is in the first
// half of its time it makes one, which ends at the caller's deadline, and the caller
// must have its work done by calling run. Run is nil where somebody else does. The
// caller must call leave.
func (g *flights) join(ctx context.Context, key flightKey, deadline time.Time, work func(context.Context, *flight) (Result, error)) (f *flight, run func()) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.byKey[key]; f != nil && f.enter(now) {
		return f, nil
	}
	// The values stay, so that traces go on; the caller's end does not reach the
	// work.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	f = &flight{
		done: make(chan struct{}), deadline: deadline, lastJoin: now.Add(deadline.Sub(now) / 2),
		cancel: cancel, streams: key.streams, callers: 1,
	}
	if key.shared() {
		if g.byKey == nil {
			g.byKey = map[flightKey]*flight{}
		}
		g.byKey[key] = f
	}
	g.wg.Add(1)
	return f, func() {
		defer g.wg.Done()
		defer cancel()
		f.result, f.err = guarded(func() (Result, error) { return work(ctx, f) })
		g.forget(key, f)
		close(f.done)
	}
}

// running reports whether there is work of that key.
func (g *flights) running(key flightKey) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.byKey[key] != nil
}

func (g *flights) forget(key flightKey, f *flight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byKey[key] == f {
		delete(g.byKey, key)
	}
}

// enter counts one more caller, unless the flight is too old or nobody is left
// who wants it, so that it is being cancelled.
func (f *flight) enter(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.callers == 0 || now.After(f.lastJoin) {
		return false
	}
	f.callers++
	return true
}

// leave counts one caller less; the last one cancels what still runs.
func (f *flight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.callers--
	if f.callers == 0 {
		f.cancel()
	}
}

// lead runs the work on the caller's goroutine: to have another do it and wait would
// cost a stack and two switches for each query. A caller who goes away meanwhile
// leaves the flight, but stays until the work ends, at the latest when it is
// cancelled. Its deadline is the flight's, so ctx needs none.
func (f *flight) lead(ctx context.Context, run func()) (Result, error) {
	stay := context.AfterFunc(ctx, f.leave)
	run()
	if stay() {
		f.leave()
	}
	return f.outcome(ctx)
}

// outcome is what a caller gets once the work has ended. Where the time was over it is that,
// and not what the part made of it whose turn it was.
func (f *flight) outcome(ctx context.Context) (Result, error) {
	switch {
	case f.err == nil:
		return f.result, nil
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case !time.Now().Before(f.deadline):
		return Result{}, context.DeadlineExceeded
	}
	return Result{}, f.err
}

// emit hands a piece of the answer to all callers that stream.
func (f *flight) emit(delta string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = append(f.text, delta...)
	if f.grown != nil {
		close(f.grown)
		f.grown = nil
	}
	return nil
}

// after returns what was emitted beyond the first n bytes and, where that is
// nothing, a channel that is closed when there is more.
func (f *flight) after(n int) (string, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n < len(f.text) {
		return string(f.text[n:]), nil
	}
	if f.grown == nil {
		f.grown = make(chan struct{})
	}
	return "", f.grown
}

// wait returns the result, or the context's error if that ends first. Where emit
// is not nil it is called with each piece of the answer, in order.
func (f *flight) wait(ctx context.Context, emit func(string) error) (Result, error) {
	sent := 0
	for emit != nil {
		delta, grown := f.after(sent)
		if delta != "" {
			if err := emit(delta); err != nil {
				return Result{}, err
			}
			sent += len(delta)
			continue
		}
		select {
		case <-grown:
		case <-f.done:
			// What came in between the look and the end.
			if delta, _ := f.after(sent); delta != "" {
				continue
			}
			return f.outcome(ctx)
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
	select {
	case <-f.done:
		return f.outcome(ctx)
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}
