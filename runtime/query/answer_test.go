package query

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/generate"
)

func TestAnswersAreKept(t *testing.T) {
	asked := Request{Question: "q", User: "jane"}
	tests := []struct {
		name     string
		first    Request
		second   Request
		change   func(*Parts)
		finish   generate.FinishReason
		wantTier cache.Tier // of the second answer
	}{
		{name: "the same question", first: asked, second: asked, wantTier: cache.TierLocal},
		{name: "another question", first: asked, second: Request{Question: "other"}, wantTier: cache.TierMiss},
		{name: "another representation", first: asked, second: Request{Question: "q", Representation: body{"other"}}, wantTier: cache.TierMiss},
		{name: "another number of passages", first: asked, second: Request{Question: "q", TopK: 3}, wantTier: cache.TierMiss},
		{name: "the default number of passages, said", first: asked, second: Request{Question: "q", TopK: 5}, wantTier: cache.TierLocal},
		{
			name: "another conversation", first: asked, wantTier: cache.TierMiss,
			second: Request{Question: "q", History: []generate.Message{{Role: "user", Content: "before"}}},
		},
		{name: "other instructions", first: asked, second: Request{Question: "q", SystemPrompt: "rhyme"}, wantTier: cache.TierMiss},
		{name: "another temperature", first: asked, second: Request{Question: "q", Temperature: new(0.0)}, wantTier: cache.TierMiss},
		{name: "a bypass reads nothing", first: asked, second: Request{Question: "q", Cache: CacheOptions{Mode: CacheBypass}}, wantTier: cache.TierMiss},
		{name: "a bypass keeps nothing", first: Request{Question: "q", Cache: CacheOptions{Mode: CacheBypass}}, second: asked, wantTier: cache.TierMiss},
		{name: "a refresh reads nothing", first: asked, second: Request{Question: "q", Cache: CacheOptions{Mode: CacheRefresh}}, wantTier: cache.TierMiss},
		{name: "a refresh is kept", first: Request{Question: "q", Cache: CacheOptions{Mode: CacheRefresh}}, second: asked, wantTier: cache.TierLocal},
		{name: "too old for the caller", first: asked, second: Request{Question: "q", Cache: CacheOptions{MaxAge: 1}}, wantTier: cache.TierMiss},
		{name: "an answer that was cut off", first: asked, second: asked, finish: generate.FinishLength, wantTier: cache.TierMiss},
		{name: "an answer that was filtered", first: asked, second: asked, finish: generate.FinishContentFilter, wantTier: cache.TierMiss},
		{
			name: "what is known of a user stays with the user, in a shared cache too", first: asked, wantTier: cache.TierMiss,
			second: Request{Question: "q", User: "joe"}, change: func(p *Parts) { p.Users = users{} },
		},
		{
			name: "nobody is not a user", first: asked, second: Request{Question: "q"}, wantTier: cache.TierMiss,
			change: func(p *Parts) { p.Users = users{} },
		},
		{name: "the same user again", first: asked, second: asked, wantTier: cache.TierLocal, change: func(p *Parts) { p.Users = users{} }},
		{
			name: "an answer that lacks what is known of its user", first: asked, second: asked, wantTier: cache.TierMiss,
			change: func(p *Parts) { p.Users = users{errors.New("gone")} },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, localCache(time.Minute, 0), tt.change)
			if tt.finish != "" {
				s.model.script = func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
					return generate.Completion{Text: "part", FinishReason: tt.finish}, nil
				}
			}
			if got := s.mustAsk(t, tt.first).Tier; got != cache.TierMiss {
				t.Fatalf("first answer: tier %s", got)
			}
			if got := s.mustAsk(t, tt.second).Tier; got != tt.wantTier {
				t.Errorf("second answer: tier %s, want %s", got, tt.wantTier)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	away := errors.New("away")
	tests := []struct {
		name     string
		change   func(*Parts)
		wantPart Part // "" where an answer comes
		wantBody string
	}{
		{name: "embedding", change: func(p *Parts) { p.Embedder = embedder{err: away} }, wantPart: PartEmbedding},
		{name: "vector store", change: func(p *Parts) { p.Store = store{away} }, wantPart: PartVectorStore},
		{
			name: "model", wantPart: PartModel,
			change: func(p *Parts) {
				p.Generator = &model{script: func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
					return generate.Completion{}, away
				}}
			},
		},
		{
			name: "a panic", wantPart: PartRuntime,
			change: func(p *Parts) {
				p.Generator = &model{script: func(context.Context, generate.Request, func(string) error) (generate.Completion, error) { panic("bug") }}
			},
		},
		{name: "user context", change: func(p *Parts) { p.Users = users{away} }, wantBody: `"userContext":"failed"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, localCache(time.Minute, 0), tt.change)
			result, err := s.ask(t.Context(), Request{Question: "q", User: "jane"}, nil)
			if tt.wantPart == "" {
				if err != nil || !strings.Contains(string(result.Body), tt.wantBody) {
					t.Fatalf("got %s, %v; want an answer with %s", result.Body, err, tt.wantBody)
				}
				return
			}
			failure, ok := errors.AsType[*Error](err)
			if !ok || failure.Part != tt.wantPart {
				t.Errorf("got %v, want an error of %s", err, tt.wantPart)
			}
		})
	}
}

// TestDeadline shows that a query ends when its time since it arrived is over, and that this
// is what is said, whichever part took the time.
func TestDeadline(t *testing.T) {
	hangs := func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("some error of a library")
	}
	for name, emit := range map[string]func(string) error{"whole": nil, "streamed": func(string) error { return nil }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, nil, nil)
				s.timeout = time.Second
				s.model.script = func(ctx context.Context, _ generate.Request, _ func(string) error) (generate.Completion, error) {
					return generate.Completion{}, hangs(ctx)
				}
				start := time.Now()
				_, err := s.ask(t.Context(), Request{Question: "q", Arrived: start.Add(-400 * time.Millisecond)}, emit)
				if _, ofPart := errors.AsType[*Error](err); ofPart || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want that time ran out", err)
				}
				if took := time.Since(start); took != 600*time.Millisecond {
					t.Errorf("took %s, want what was left of a second", took)
				}
				synctest.Wait() // for the work of a stream
			})
		})
	}
}

func TestStaleAnswerIsServedAndMadeAnew(t *testing.T) {
	s := newService(t, localCache(time.Nanosecond, time.Minute), nil)
	first := s.mustAsk(t, Request{Question: "q"})
	stale := s.mustAsk(t, Request{Question: "q"})
	if stale.Tier != cache.TierStale || string(stale.Body) != string(first.Body) {
		t.Fatalf("got %s from %s, want the expired answer", stale.Body, stale.Tier)
	}
	eventually(t, "the answer made anew", func() bool { return s.model.calls.Load() == 2 })
}

func TestStaleAnswerIsServedWhenThePartsFail(t *testing.T) {
	failing := false
	s := newService(t, localCache(time.Nanosecond, time.Minute), nil)
	s.model.script = func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
		if failing {
			return generate.Completion{}, errors.New("away")
		}
		return stop("a"), nil
	}
	s.mustAsk(t, Request{Question: "q"})
	failing = true
	for range 3 {
		if got := s.mustAsk(t, Request{Question: "q"}).Tier; got != cache.TierStale {
			t.Errorf("tier %s, want the expired answer", got)
		}
	}
}
