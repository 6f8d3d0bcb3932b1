package query

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a generator that a test scripts. Without a script it answers at once
// with the question and who it was asked for.
type model struct {
	calls  atomic.Int64
	script func(ctx context.Context, r generate.Request, emit func(string) error) (generate.Completion, error)
}

var _ generate.Generator = (*model)(nil)

func (m *model) Identity() string { return "model" }

func (m *model) Generate(ctx context.Context, r generate.Request, emit func(string) error) (generate.Completion, error) {
	m.calls.Add(1)
	if m.script != nil {
		return m.script(ctx, r, emit)
	}
	return stop("answer to " + r.Question + " for " + r.UserContext), nil
}

func stop(text string) generate.Completion {
	return generate.Completion{Text: text, FinishReason: generate.FinishStop, Model: "m"}
}

// store finds one passage, or fails.
type store struct {
	err error
}

var _ retrieve.Store = store{}

func (s store) Search(context.Context, retrieve.Query) ([]retrieve.Passage, error) {
	return []retrieve.Passage{{ID: "p", Text: "passage"}}, s.err
}
func (store) Close() error { return nil }

// embedder fails, or does what the lexical one does.
type embedder struct {
	embed.Lexical
	err error
}

func (e embedder) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.Lexical.Embed(ctx, texts)
}

// users knows every user by name, or fails.
type users struct{ err error }

func (u users) Lookup(_ context.Context, id string) (string, error) { return "known:" + id, u.err }

// body is a representation that tells all that an answer was made from.
type body struct{ name string }

func (b body) Name() string { return b.name }

func (body) Render(a *Answer) ([]byte, error) {
	return json.Marshal(map[string]any{"question": a.Question, "text": a.Text, "userContext": a.UserContext})
}

func (body) Rebind(b []byte, _ string) ([]byte, error) { return b, nil }

// setup is a service under test with its parts.
type setup struct {
	*Service
	model *model
}

func newService(t testing.TB, c *config.Cache, change func(*Parts)) setup {
	t.Helper()
	cfg := &config.Config{
		Server: config.Server{QueryTimeout: 5 * time.Second}, VectorStore: config.VectorStore{TopK: 5}, Cache: c,
		Model: config.Model{SystemPrompt: "configured"},
	}
	m := &model{}
	parts := Parts{
		Embedder: embedder{Lexical: embed.NewLexical(64)}, Store: store{}, Generator: m,
		Metrics: telemetry.NewMetrics(prometheus.NewRegistry()),
	}
	if c != nil {
		opened, err := cache.New(*c, "epoch")
		if err != nil {
			t.Fatal(err)
		}
		parts.Cache = opened
		t.Cleanup(func() {
			if err := opened.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	if change != nil {
		change(&parts)
	}
	s := New(cfg, parts)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return setup{s, m}
}

// localCache keeps answers in memory for the given time.
func localCache(ttl, stale time.Duration) *config.Cache {
	return &config.Cache{
		TTL: ttl, StaleTTL: stale, Scope: config.ScopeShared, Local: &config.LocalCache{MaxBytes: 1 << 20},
		Budget: 25 * time.Millisecond, WriteQueue: 16,
	}
}

// ask asks as a handler does: memory first.
func (s setup) ask(ctx context.Context, r Request, emit func(string) error) (Result, error) {
	if r.Representation == nil {
		r.Representation = body{"test"}
	}
	if err := s.Prepare(&r); err != nil {
		return Result{}, err
	}
	if result, ok := s.Cached(&r); ok {
		return result, nil
	}
	return s.Answer(ctx, &r, emit)
}

func (s setup) mustAsk(t testing.TB, r Request) Result {
	t.Helper()
	result, err := s.ask(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// text collects what is streamed.
type text struct {
	mu sync.Mutex
	strings.Builder
}

func (x *text) emit(delta string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.WriteString(delta)
	return nil
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.Builder.String()
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}
