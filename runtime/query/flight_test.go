package query

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/generate"
)

// held is a model that answers when it is released.
func held(release <-chan struct{}, ended chan<- error) func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
	return func(ctx context.Context, _ generate.Request, _ func(string) error) (generate.Completion, error) {
		select {
		case <-release:
			return stop("a"), nil
		case <-ctx.Done():
			ended <- ctx.Err()
			return generate.Completion{}, ctx.Err()
		}
	}
}

// callers is how many wait for the one flight there is.
func (s setup) callers() int {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	for _, f := range s.flights.byKey {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.callers
	}
	return 0
}

func TestEqualQuestionsShareTheWork(t *testing.T) {
	s := newService(t, localCache(time.Minute, 0), nil)
	release := make(chan struct{})
	s.model.script = held(release, nil)
	const n = 100
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for range n {
		wg.Go(func() {
			_, err := s.ask(t.Context(), Request{Question: "q"}, nil)
			errs <- err
		})
	}
	eventually(t, "all callers in one flight", func() bool { return s.callers() == n })
	close(release)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if got := s.model.calls.Load(); got != 1 {
		t.Errorf("the model was asked %d times", got)
	}
}

func TestWorkOutlivesItsFirstCaller(t *testing.T) {
	s := newService(t, localCache(time.Minute, 0), nil)
	release := make(chan struct{})
	s.model.script = held(release, make(chan error, 1))
	first, leave := context.WithCancel(t.Context())
	gone, answered := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.ask(first, Request{Question: "q"}, nil)
		gone <- err
	}()
	eventually(t, "the first caller", func() bool { return s.callers() == 1 })
	go func() {
		_, err := s.ask(t.Context(), Request{Question: "q"}, nil)
		answered <- err
	}()
	eventually(t, "the second caller", func() bool { return s.callers() == 2 })
	leave()
	eventually(t, "the first caller's leaving", func() bool { return s.callers() == 1 })
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the second caller: %v", err)
	}
	// Its goroutine did the work to the end.
	if err := <-gone; err != nil {
		t.Errorf("the first caller: %v", err)
	}
}

func TestWorkThatNobodyWaitsForIsCancelled(t *testing.T) {
	s := newService(t, localCache(time.Minute, 0), nil)
	ended := make(chan error, 1)
	s.model.script = held(nil, ended)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = s.ask(ctx, Request{Question: "q"}, nil)
	}()
	eventually(t, "the model", func() bool { return s.model.calls.Load() == 1 })
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the model's context: got %v, want it cancelled", err)
	}
	<-gone
}

func TestStreamReachesAllCallersWhole(t *testing.T) {
	s := newService(t, localCache(time.Minute, 0), nil)
	pieces := make(chan string)
	s.model.script = func(_ context.Context, _ generate.Request, emit func(string) error) (generate.Completion, error) {
		whole := ""
		for p := range pieces {
			whole += p
			if err := emit(p); err != nil {
				return generate.Completion{}, err
			}
		}
		return stop(whole), nil
	}
	var first, second text
	var wg sync.WaitGroup
	join := func(x *text) {
		wg.Go(func() {
			if _, err := s.ask(t.Context(), Request{Question: "q"}, x.emit); err != nil {
				t.Error(err)
			}
		})
	}
	join(&first)
	pieces <- "one "
	eventually(t, "the first piece", func() bool { return first.String() == "one " })
	join(&second) // who comes late gets what was missed
	eventually(t, "the missed piece", func() bool { return second.String() == "one " })
	pieces <- "two"
	close(pieces)
	wg.Wait()
	for _, x := range []*text{&first, &second} {
		if got := x.String(); got != "one two" {
			t.Errorf("got %q", got)
		}
	}
	if got := s.model.calls.Load(); got != 1 {
		t.Errorf("the model was asked %d times", got)
	}
}

func TestCallerThatCannotBeWrittenToLeaves(t *testing.T) {
	s := newService(t, localCache(time.Minute, 0), nil)
	ended := make(chan error, 1)
	s.model.script = func(ctx context.Context, _ generate.Request, emit func(string) error) (generate.Completion, error) {
		if err := emit("a"); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return generate.Completion{}, ctx.Err()
	}
	broken := errors.New("connection lost")
	if _, err := s.ask(t.Context(), Request{Question: "q"}, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of emit", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the model's context: got %v, want it cancelled", err)
	}
}
