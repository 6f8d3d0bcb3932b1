package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/telemetry"
)

// work answers a request: Redis, the embedding and the user's context side by side,
// then the tiers that need the vector, then the model. What a hit made needless goes
// on until the flight cancels ctx, which it does as soon as the work returns.
func (s *Service) work(ctx context.Context, r *Request, f *flight) (Result, error) {
	if s.Cache != nil && s.Cache.Conn() != nil {
		ctx = s.Cache.WithBudget(ctx)
	}

	embedding := s.startEmbedding(ctx, r)
	user := s.lookUpUser(ctx, r)

	if hit, ok := s.fromRedis(ctx, r); ok {
		return s.fromCache(r, hit, hit.Body), nil
	}
	vector, err := embedding()
	if err != nil {
		return Result{}, failed(ctx, PartEmbedding, err)
	}
	if result, ok := s.fromMeaning(ctx, r, vector); ok {
		return result, nil
	}
	passages, err := s.search(ctx, r, vector)
	if err != nil {
		return Result{}, failed(ctx, PartVectorStore, err)
	}
	if s.Cache == nil || !s.Cache.KeepsVectors() {
		vector = nil // so that a question that waits for the model holds none
	}
	answer, err := s.generate(ctx, r, passages, user, f)
	if err != nil {
		return Result{}, failed(ctx, PartModel, err)
	}
	body, err := r.Representation.Render(answer)
	if err != nil {
		return Result{}, &Error{Part: PartRuntime, Err: err}
	}
	s.keep(r, vector, answer, body)
	return Result{Body: body, Tier: cache.TierMiss, Answer: answer}, nil
}

// failed says which part an error is of. Where the time of the whole query ran
// out it says that, whatever the part made of it.
func failed(ctx context.Context, part Part, err error) error {
	if ours, ok := errors.AsType[*Error](err); ok {
		return ours
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return &Error{Part: part, Err: err}
}

func (s *Service) fromRedis(ctx context.Context, r *Request) (cache.Hit, bool) {
	if !s.asksRedis(r) {
		return cache.Hit{}, false
	}
	ctx, end := s.stage(ctx, telemetry.StageCache)
	defer end(nil)
	hit, ok := s.Cache.Redis(ctx, r.key)
	return hit, ok && r.accepts(hit)
}

// fromMeaning asks the tiers that compare vectors. A question in a conversation
// takes its meaning from what was said before, so only one that stands alone is
// compared with the curated ones; kept answers are compared within the same
// conversation only.
func (s *Service) fromMeaning(ctx context.Context, r *Request, vector []float32) (Result, bool) {
	if s.Cache == nil {
		return Result{}, false
	}
	if len(r.History) == 0 {
		if curated, ok := s.Cache.FAQSemantic(r.Question, vector); ok {
			result, err := s.curated(r, curated)
			return result, err == nil
		}
	}
	if !r.Cache.reads() {
		return Result{}, false
	}
	hit, ok := s.Cache.Semantic(ctx, r.key, vector, r.Cache.SemanticThreshold)
	if !ok || !r.accepts(hit) {
		return Result{}, false
	}
	body, err := r.Representation.Rebind(hit.Body, r.Question)
	if err != nil {
		return Result{}, false // a body of another version: as if it were not there
	}
	return s.fromCache(r, hit, body), true
}

// startEmbedding begins to embed the question, and returns what waits for its
// vector. Where another server makes it, asking at once hides the time that Redis
// takes. Where it is at hand, or Redis is not asked, there is nothing to hide; a hit
// in Redis needs none.
func (s *Service) startEmbedding(ctx context.Context, r *Request) func() ([]float32, error) {
	embedding := func() ([]float32, error) { return s.embed(ctx, r.Question) }
	if !s.asksRedis(r) || embed.Instant(s.Embedder, r.Question) {
		return embedding
	}
	return start(embedding).wait
}

// asksRedis tells whether the answer may be in Redis.
func (s *Service) asksRedis(r *Request) bool {
	return s.Cache != nil && s.Cache.Conn() != nil && r.Cache.reads()
}

// embed returns the vector of one text.
func (s *Service) embed(ctx context.Context, text string) ([]float32, error) {
	ctx, end := s.stage(ctx, telemetry.StageEmbed)
	vectors, err := s.Embedder.Embed(ctx, []string{text})
	end(err)
	if err != nil {
		return nil, err
	}
	if len(vectors) != 1 {
		return nil, fmt.Errorf("got %d vectors for one text", len(vectors))
	}
	return vectors[0], nil
}

func (s *Service) search(ctx context.Context, r *Request, vector []float32) ([]retrieve.Passage, error) {
	ctx, end := s.stage(ctx, telemetry.StageRetrieve)
	passages, err := s.Store.Search(ctx, retrieve.Query{Vector: vector, TopK: r.TopK, MinScore: s.minScore, Filter: r.Filter})
	end(err)
	return passages, err
}

// Retrieve finds passages for a question, without an answer. An error is an
// [*Error].
func (s *Service) Retrieve(ctx context.Context, r *Request) ([]retrieve.Passage, error) {
	vector, err := s.embed(ctx, r.Question)
	if err != nil {
		return nil, failed(ctx, PartEmbedding, err)
	}
	passages, err := s.search(ctx, r, vector)
	if err != nil {
		return nil, failed(ctx, PartVectorStore, err)
	}
	return passages, nil
}

// known is what is known about a user.
type known struct {
	text  string
	state UserContextState
}

// lookUpUser starts the look-up; nil where there is nobody to look up.
func (s *Service) lookUpUser(ctx context.Context, r *Request) pending[known] {
	if s.Users == nil || r.User == "" {
		return nil
	}
	return start(func() (known, error) {
		ctx, end := s.stage(ctx, telemetry.StageUserContext)
		text, err := s.Users.Lookup(ctx, r.User)
		end(err)
		switch {
		case err != nil:
			return known{}, err
		case text == "":
			return known{state: UserContextNone}, nil
		}
		return known{text: text, state: UserContextApplied}, nil
	})
}

// userContext waits for the look-up. Its failure costs the answer what is known
// about the user, not the answer.
func (s *Service) userContext(user pending[known]) known {
	if user == nil {
		return known{state: UserContextNone}
	}
	k, err := user.wait()
	if err != nil {
		s.Metrics.UserContextFailed()
		return known{state: UserContextFailed}
	}
	return k
}

func (s *Service) generate(ctx context.Context, r *Request, passages []retrieve.Passage, user pending[known], f *flight) (*Answer, error) {
	known := s.userContext(user)
	defer s.Metrics.StageEnded(telemetry.StageGenerate, time.Now())
	ctx, span := s.Tracer.Generation(ctx, s.provider, s.model)
	var emit func(string) error
	if f.streams {
		emit = f.emit
	}
	completion, err := s.Generator.Generate(ctx, generate.Request{
		History: r.History, Question: r.Question, Passages: passages, UserContext: known.text,
		SystemPrompt: s.prompt(r), MaxOutputTokens: r.MaxOutputTokens, Temperature: r.Temperature,
	}, emit)
	if err != nil {
		span.End(errorKind(err))
		return nil, err
	}
	span.Answered(completion.Model, string(completion.FinishReason), completion.Usage.InputTokens, completion.Usage.OutputTokens)
	span.End("")
	s.Metrics.Tokens(completion.Usage.InputTokens, completion.Usage.OutputTokens)
	return &Answer{
		Question: r.Question, Text: completion.Text, Passages: passages, Model: completion.Model,
		FinishReason: completion.FinishReason, Usage: completion.Usage, UserContext: known.state, Created: time.Now().UTC(),
	}, nil
}

// prompt adds the caller's system prompt to the configured one, which a caller
// cannot take away.
func (s *Service) prompt(r *Request) string {
	if r.SystemPrompt == "" {
		return ""
	}
	return s.systemPrompt + "\n\n" + r.SystemPrompt
}

// keep writes the cache, if the answer is whole and made with all it should be
// made with.
func (s *Service) keep(r *Request, vector []float32, answer *Answer, body []byte) {
	if s.Cache == nil || !r.Cache.writes() || answer.FinishReason != generate.FinishStop || answer.UserContext == UserContextFailed {
		return
	}
	s.Cache.Store(r.key, vector, cache.Entry{Body: body, Stored: answer.Created})
}
