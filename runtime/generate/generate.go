// Package generate asks generation models for answers, with one file per
// provider, and keeps retries, fallbacks and breakers away from its callers. It
// knows nothing of caches or HTTP handlers.
package generate

import (
	"context"

	"ragops.dev/ragservice/runtime/retrieve"
)

// Request is a question with all that the answer may be made from.
type Request struct {
	// History is the conversation so far, oldest first, without the question.
	History []Message
	// Question to answer.
	Question string
	// Passages to answer from, best first.
	Passages []retrieve.Passage
	// UserContext is what is known about the user, as text; may be empty.
	UserContext string
	// SystemPrompt replaces the configured one where it is not empty.
	SystemPrompt string
	// MaxOutputTokens lowers the configured bound where it is greater than 0.
	MaxOutputTokens int
	// Temperature replaces the configured one where it is not nil.
	Temperature *float64
}

// Message is one turn of a conversation.
type Message struct {
	// Role is user or assistant.
	Role    string
	Content string
}

// FinishReason says why an answer ended.
type FinishReason string

// The finish reasons, in OpenAI's words. Only an answer that ended with
// FinishStop is whole, and may be cached.
const (
	FinishStop          FinishReason = "stop"
	FinishLength        FinishReason = "length"
	FinishContentFilter FinishReason = "content_filter"
)

// Completion is a finished answer.
type Completion struct {
	Text         string
	FinishReason FinishReason
	// Upstream that answered, as in metrics and /status: openai, anthropic, …
	Upstream string
	// Model that answered, as the provider names it.
	Model string
	Usage Usage
}

// Usage counts tokens as the provider counts them; 0 where it does not say.
type Usage struct {
	InputTokens  int
	OutputTokens int
}

// Generator answers requests.
type Generator interface {
	// Generate returns the whole answer. Where emit is not nil it is called with
	// each piece as it arrives, in order, on the calling goroutine; an error it
	// returns ends the generation and is returned. Once a piece was emitted no
	// retry and no fallback takes place. Cancelling ctx cancels the upstream.
	Generate(ctx context.Context, request Request, emit func(delta string) error) (Completion, error)

	// Identity names provider, model, prompt and sampling: what a cached answer
	// depends on.
	Identity() string
}
