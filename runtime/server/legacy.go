package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/retrieve"
)

// legacyRequest is the body of POST /query. The service that RAGService replaces
// knew query alone.
type legacyRequest struct {
	Query          *string          `json:"query"`
	UserID         string           `json:"user_id"`
	TopK           int              `json:"top_k"`
	Filter         *retrieve.Filter `json:"filter"`
	Cache          *cacheOptions    `json:"cache"`
	Stream         bool             `json:"stream"`
	IncludeSources bool             `json:"include_sources"`
}

// cacheOptions are a caller's wishes about the cache.
type cacheOptions struct {
	// Mode is default, bypass (neither read nor write) or refresh (make the answer
	// anew and keep it).
	Mode query.CacheMode `json:"mode"`
	// SemanticThreshold raises the configured one for this query. A lower one has
	// no effect.
	SemanticThreshold float64 `json:"semantic_threshold"`
	// MaxAge in seconds of a cached answer; 0 takes any.
	MaxAge int `json:"max_age"`
}

// extended reports whether the request goes beyond the legacy contract, and so
// may have more fields in its answer.
func (l *legacyRequest) extended() bool {
	return l.UserID != "" || l.TopK != 0 || l.Filter != nil || l.Cache != nil || l.Stream || l.IncludeSources
}

func (s *Server) decodeLegacy(w http.ResponseWriter, r *http.Request) (*query.Request, bool, error) {
	var l legacyRequest
	err := withBody(w, r, s.limits.body, func(body []byte) error {
		if question, ok := plainQuestion(body); ok {
			l.Query = &question
			return nil
		}
		return unmarshal(body, true, &l)
	})
	if err != nil {
		return nil, false, err
	}
	if l.Query == nil {
		return nil, false, badRequest("query", `The field query is missing; send {"query": "…"}.`)
	}
	req := &query.Request{
		Question: *l.Query, User: l.UserID, TopK: l.TopK, Filter: l.Filter,
		Legacy: !l.extended(), Representation: legacyOf(&l),
	}
	if err := s.checkQuestion("query", req.Question); err != nil {
		return nil, false, err
	}
	if err := s.checkOptions(req, l.Cache); err != nil {
		return nil, false, err
	}
	return req, l.Stream, nil
}

// legacyOf picks the fields of the answer.
func legacyOf(l *legacyRequest) query.Representation {
	switch {
	case l.IncludeSources:
		return legacySources
	case l.extended():
		return legacyExtended
	}
	return legacyPlain
}

// legacyBody writes answers of POST /query.
type legacyBody struct {
	name     string
	extended bool
	sources  bool
}

// The representations are interfaces already, so that a request makes none anew.
var (
	legacyPlain    query.Representation = legacyBody{name: "legacy"}
	legacyExtended query.Representation = legacyBody{name: "legacy-extended", extended: true}
	legacySources  query.Representation = legacyBody{name: "legacy-sources", extended: true, sources: true}
)

// Name implements query.Representation.
func (l legacyBody) Name() string { return l.name }

// legacyResponse is the answer to POST /query: four fields, always there and in
// this order, and more where the request asked for more than the old service knew.
type legacyResponse struct {
	Query string `json:"query"`
	// Answer, and the passages' texts it was made from.
	Answer  string   `json:"answer"`
	Context []string `json:"context"`
	// Timestamp is when the answer was made, RFC 3339 in UTC.
	Timestamp string `json:"timestamp"`

	*legacyExtras
}

// legacyExtras are the fields of an extended request's answer.
type legacyExtras struct {
	Model        string                 `json:"model"`
	FinishReason generate.FinishReason  `json:"finish_reason"`
	Usage        usage                  `json:"usage"`
	UserContext  query.UserContextState `json:"user_context"`
	// Sources are the passages with their origin, where include_sources asks.
	Sources []retrieve.Passage `json:"sources,omitzero"`
}

type usage struct {
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
}

// Render implements query.Representation.
func (l legacyBody) Render(a *query.Answer) ([]byte, error) {
	response := legacyResponse{
		Query: a.Question, Answer: a.Text, Context: make([]string, 0, len(a.Passages)),
		Timestamp: a.Created.UTC().Format(time.RFC3339),
	}
	length := 256 + len(a.Question) + len(a.Text)
	for _, p := range a.Passages {
		response.Context = append(response.Context, p.Text)
		length += len(p.Text) + 4
	}
	if l.extended {
		response.legacyExtras = &legacyExtras{
			Model: a.Model, FinishReason: a.FinishReason, UserContext: a.UserContext,
			Usage: usage{InputTokens: a.Usage.InputTokens, OutputTokens: a.Usage.OutputTokens},
		}
	}
	if l.sources {
		response.Sources = append([]retrieve.Passage{}, a.Passages...)
		length *= 2
	}
	return encodeSized(response, length)
}

// Rebind implements query.Representation: the first field repeats the question.
func (legacyBody) Rebind(body []byte, question string) ([]byte, error) {
	const start = `{"query":`
	rest, ok := bytes.CutPrefix(body, []byte(start))
	if !ok {
		return nil, errors.New("does not begin with the question")
	}
	dec := json.NewDecoder(bytes.NewReader(rest))
	var old string
	if err := dec.Decode(&old); err != nil {
		return nil, fmt.Errorf("read the question: %w", err)
	}
	quoted, err := encode(question)
	if err != nil {
		return nil, err
	}
	rebound := make([]byte, 0, len(start)+len(quoted)+len(rest))
	rebound = append(rebound, start...)
	rebound = append(rebound, quoted...)
	return append(rebound, rest[dec.InputOffset():]...), nil
}

// encode writes JSON that reads well outside of HTML: < stays <.
func encode(v any) ([]byte, error) { return encodeSized(v, 0) }

// encodeSized is encode for what will take about so many bytes. It is kept, in
// memory among others, so that what it does not take should not be much.
func encodeSized(v any, length int) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(length)
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the response: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
