package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/ratelimit"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/telemetry"
)

// scripted is a generator that does what a test says.
type scripted func(ctx context.Context, r generate.Request, emit func(string) error) (generate.Completion, error)

var _ generate.Generator = scripted(nil)

func (s scripted) Generate(ctx context.Context, r generate.Request, emit func(string) error) (generate.Completion, error) {
	return s(ctx, r, emit)
}
func (scripted) Identity() string { return "scripted" }

// speaks answers with the pieces, one by one where they are streamed.
func speaks(pieces ...string) scripted {
	return func(_ context.Context, _ generate.Request, emit func(string) error) (generate.Completion, error) {
		whole := ""
		for _, p := range pieces {
			whole += p
			if emit == nil {
				continue
			}
			if err := emit(p); err != nil {
				return generate.Completion{}, err
			}
		}
		return generate.Completion{Text: whole, FinishReason: generate.FinishStop, Model: "m", Usage: generate.Usage{InputTokens: 3, OutputTokens: 2}}, nil
	}
}

// shelf is a store with two passages, or one that fails.
type shelf struct{ err error }

var _ retrieve.Store = shelf{}

func (s shelf) Search(context.Context, retrieve.Query) ([]retrieve.Passage, error) {
	return []retrieve.Passage{
		{ID: "1", Text: "first passage", Source: "a.md", Score: 0.9},
		{ID: "2", Text: "second passage", Source: "b.md", Score: 0.5},
	}, s.err
}
func (shelf) Close() error { return nil }

// parts are what serveParts puts together; the zero value answers "hello world".
type parts struct {
	model  scripted
	store  retrieve.Store
	users  query.Users
	access *config.Access
	cache  *config.Cache
	server func(*config.Server)
	// perMinute limits each caller; 0 does not.
	perMinute int
}

// serveParts runs the handlers of the query port over scripted parts.
func serveParts(t testing.TB, p parts) *running {
	t.Helper()
	cfg, err := config.Parse([]byte(embedded))
	if err != nil {
		t.Fatal(err)
	}
	if p.model == nil {
		p.model = speaks("hello ", "world")
	}
	if p.store == nil {
		p.store = shelf{}
	}
	cfg.Cache = p.cache
	if p.server != nil {
		p.server(&cfg.Server)
	}
	metrics := telemetry.NewMetrics(prometheus.NewRegistry())
	qp := query.Parts{Embedder: embed.NewLexical(64), Store: p.store, Generator: p.model, Users: p.users, Metrics: metrics}
	if p.cache != nil {
		if qp.Cache, err = cache.New(*p.cache, "epoch"); err != nil {
			t.Fatal(err)
		}
	}
	service := query.New(cfg, qp)
	s := newServer(cfg, service, metrics, slog.New(slog.DiscardHandler))
	if p.access != nil {
		if s.access, err = access.Open(*p.access); err != nil {
			t.Fatal(err)
		}
	}
	if p.perMinute > 0 {
		if s.rate, err = ratelimit.New(nil, "test", p.perMinute); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.rate.Close)
	}
	ts := httptest.NewServer(s.Handler())
	r := &running{url: ts.URL, client: ts.Client(), server: s}
	t.Cleanup(func() {
		ts.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := service.Close(ctx); err != nil {
			t.Errorf("work is left: %v", err)
		}
		if qp.Cache != nil {
			if err := qp.Cache.Close(ctx); err != nil {
				t.Error(err)
			}
		}
		if s.access != nil {
			s.access.Close()
		}
	})
	return r
}

// inMemory is a cache of this process alone.
func inMemory() *config.Cache {
	return &config.Cache{
		TTL: time.Minute, Scope: config.ScopeShared, Local: &config.LocalCache{MaxBytes: 1 << 20},
		Budget: 25 * time.Millisecond, WriteQueue: 16,
	}
}

func (r *running) chat(t testing.TB, body string, header ...string) response {
	t.Helper()
	return r.do(t, http.MethodPost, r.url+"/v1/chat/completions", body, header...)
}

// listenAlso serves a handler on an address of its own.
func listenAlso(t testing.TB, h http.Handler) string {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return ts.URL
}
