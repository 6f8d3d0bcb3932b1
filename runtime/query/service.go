package query

import (
	"context"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/telemetry"
)

// maxRevalidations bounds the stale answers that are made anew at a time: they
// are nobody's query, so no admission bounds them.
const maxRevalidations = 32

// Users looks up what is known about a user.
type Users interface {
	// Lookup returns it as text; "" is nothing.
	Lookup(ctx context.Context, userID string) (string, error)
}

// Parts are what a Service works with. It closes none of them.
type Parts struct {
	// Cache may be nil.
	Cache     *cache.Cache
	Embedder  embed.Embedder
	Store     retrieve.Store
	Generator generate.Generator
	// Users may be nil.
	Users   Users
	Metrics *telemetry.Metrics
	// Tracer may be nil.
	Tracer *telemetry.Tracer
}

// Service answers requests.
type Service struct {
	Parts
	topK         int
	minScore     float64
	systemPrompt string
	provider     string // of the model, in the words of OpenTelemetry
	model        string
	timeout      time.Duration

	flights       flights
	revalidations chan struct{}
}

// New makes a service of its parts.
func New(cfg *config.Config, parts Parts) *Service {
	return &Service{
		Parts: parts, topK: cfg.VectorStore.TopK, minScore: cfg.VectorStore.MinScore,
		systemPrompt: cfg.Model.SystemPrompt,
		provider:     providerName(cfg.Model.ModelProvider), model: ModelName(cfg.Model.ModelProvider), timeout: cfg.Server.QueryTimeout,
		revalidations: make(chan struct{}, maxRevalidations),
	}
}

// Close waits for work in flight. No Answer may follow.
func (s *Service) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.flights.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Prepare fills in what the caller left out. It must be called once, before
// Cached and Answer.
func (s *Service) Prepare(r *Request) error {
	if r.TopK == 0 {
		r.TopK = s.topK
	}
	if s.Cache == nil {
		return nil
	}
	encoded, err := encodeOptions(r, s.topK, s.Users != nil)
	if err != nil {
		return err
	}
	r.key = s.Cache.Key(cache.Request{
		Tenant: r.Tenant, User: r.User, Representation: r.Representation.Name(), Question: r.Question, Options: encoded,
		Legacy: r.Legacy && encoded == "" && r.Tenant == "" && r.User == "",
	})
	return nil
}

// ModelName is how the configured model is called.
func ModelName(m config.ModelProvider) string {
	switch {
	case m.OpenAI != nil:
		return m.OpenAI.Model
	case m.Anthropic != nil:
		return m.Anthropic.Model
	case m.Bedrock != nil:
		return m.Bedrock.Model
	}
	return "extractive"
}

// providerName is the well-known value of gen_ai.provider.name.
func providerName(m config.ModelProvider) string {
	switch {
	case m.OpenAI != nil && m.OpenAI.AzureAPIVersion != "":
		return "azure.ai.openai"
	case m.OpenAI != nil:
		return "openai"
	case m.Anthropic != nil:
		return "anthropic"
	case m.Bedrock != nil:
		return "aws.bedrock"
	}
	return "extractive"
}
