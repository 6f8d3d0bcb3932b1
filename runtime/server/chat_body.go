package server

import (
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/retrieve"
)

// chatBody writes answers of POST /v1/chat/completions.
type chatBody struct {
	// model is the configured one, named where no model answered.
	model string
}

var _ query.Representation = chatBody{}

// completion is OpenAI's chat completion and, with other parts filled in, a chunk
// of its stream.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	// Usage is null in the chunks of a stream that ends with it.
	Usage *chatUsage `json:"usage,omitempty"`
	// Citations are the passages that the answer was made from, in the order in
	// which the answer numbers them: [1] is the first. They are not part of
	// OpenAI's schema, whose clients pass over them.
	Citations []citation `json:"citations,omitzero"`
}

type choice struct {
	Index        int                    `json:"index"`
	Message      *message               `json:"message,omitempty"`
	Delta        *delta                 `json:"delta,omitempty"`
	Logprobs     *struct{}              `json:"logprobs"` // always null
	FinishReason *generate.FinishReason `json:"finish_reason"`
}

type message struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"` // always null
}

type delta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type chatUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

// citation is a passage that an answer was made from.
type citation struct {
	// Index is the number that the answer cites the passage by, from 1.
	Index int `json:"index"`
	retrieve.Passage
}

// Name implements query.Representation.
func (chatBody) Name() string { return "chat" }

// Render implements query.Representation.
func (b chatBody) Render(a *query.Answer) ([]byte, error) {
	c := b.completion(a)
	c.Choices = []choice{{Message: &message{Role: "assistant", Content: a.Text}, FinishReason: new(a.FinishReason)}}
	return encode(c)
}

// completion fills in all but the choices.
func (b chatBody) completion(a *query.Answer) completion {
	c := completion{
		ID: "chatcmpl-" + newID(), Object: "chat.completion", Created: a.Created.Unix(), Model: a.Model,
		Usage: usageOf(a.Usage), Citations: make([]citation, 0, len(a.Passages)),
	}
	if c.Model == "" {
		c.Model = b.model
	}
	for i, p := range a.Passages {
		c.Citations = append(c.Citations, citation{i + 1, p})
	}
	return c
}

func usageOf(u generate.Usage) *chatUsage {
	return &chatUsage{PromptTokens: u.InputTokens, CompletionTokens: u.OutputTokens, TotalTokens: u.InputTokens + u.OutputTokens}
}

// Rebind implements query.Representation: the body does not repeat the question.
func (chatBody) Rebind(body []byte, _ string) ([]byte, error) { return body, nil }
