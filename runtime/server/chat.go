package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/telemetry"
)

// chatRequest is the body of POST /v1/chat/completions: OpenAI's fields as far as
// they mean something here, and our own. Hints on sampling that are not listed are
// ignored; what would change the form of the answer is refused.
type chatRequest struct {
	Model               string         `json:"model"`
	Messages            []chatMessage  `json:"messages"`
	Stream              bool           `json:"stream"`
	StreamOptions       *streamOptions `json:"stream_options"`
	Temperature         *float64       `json:"temperature"`
	MaxTokens           int            `json:"max_tokens"`
	MaxCompletionTokens int            `json:"max_completion_tokens"`
	User                string         `json:"user"`

	TopK   int              `json:"top_k"`
	Filter *retrieve.Filter `json:"filter"`
	Cache  *cacheOptions    `json:"cache"`

	N              int               `json:"n"`
	Tools          []json.RawMessage `json:"tools"`
	Functions      []json.RawMessage `json:"functions"`
	Stop           json.RawMessage   `json:"stop"`
	Logprobs       bool              `json:"logprobs"`
	ResponseFormat *responseFormat   `json:"response_format"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type responseFormat struct {
	Type string `json:"type"`
}

type chatMessage struct {
	Role    string      `json:"role"`
	Content chatContent `json:"content"`
}

// chatContent is text, given as a string or as a list of text parts.
type chatContent string

// UnmarshalJSON implements json.Unmarshaler.
func (c *chatContent) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(c))
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return badRequest("messages", "The content of a message must be a string or a list of text parts.")
	}
	var text strings.Builder
	for _, p := range parts {
		if p.Type != "text" {
			return badRequest("messages", fmt.Sprintf("A message holds a part of type %q, and only text is taken.", p.Type))
		}
		text.WriteString(p.Text)
	}
	*c = chatContent(text.String())
	return nil
}

// chat is OpenAI's chat completions endpoint.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) (telemetry.Outcome, error) {
	id, err := s.identify(r)
	if err != nil {
		return "", err
	}
	var c chatRequest
	if err := decodeJSON(w, r, s.limits.body, false, &c); err != nil {
		return "", err
	}
	req, err := s.chatQuery(&c)
	if err != nil {
		return "", err
	}
	if err := askAs(id, req); err != nil {
		return "", err
	}
	if !c.Stream {
		return s.answer(w, r, req, nil)
	}
	return s.answer(w, r, req, newChatStream(w, s.model, c.StreamOptions != nil && c.StreamOptions.IncludeUsage))
}

// chatQuery checks a chat request and makes it a question with its conversation.
func (s *Server) chatQuery(c *chatRequest) (*query.Request, error) {
	if err := c.checkSupported(); err != nil {
		return nil, err
	}
	req := &query.Request{
		User: c.User, TopK: c.TopK, Filter: c.Filter, Temperature: c.Temperature,
		MaxOutputTokens: max(c.MaxTokens, c.MaxCompletionTokens), Representation: chatBody{s.model},
	}
	if err := c.conversation(req); err != nil {
		return nil, err
	}
	if err := s.checkQuestion("messages", req.Question); err != nil {
		return nil, err
	}
	return req, s.checkOptions(req, c.Cache)
}

// checkSupported refuses what would change the form or the meaning of the answer,
// rather than to ignore it.
func (c *chatRequest) checkSupported() error {
	switch {
	case c.N > 1:
		return badRequest("n", "Only one choice is given: n must be 1.")
	case len(c.Tools) > 0:
		return badRequest("tools", "Tools are not supported.")
	case len(c.Functions) > 0:
		return badRequest("functions", "Functions are not supported.")
	case len(c.Stop) > 0 && string(c.Stop) != "null" && string(c.Stop) != "[]":
		return badRequest("stop", "Stop sequences are not supported.")
	case c.Logprobs:
		return badRequest("logprobs", "Log probabilities are not supported.")
	case c.ResponseFormat != nil && c.ResponseFormat.Type != "" && c.ResponseFormat.Type != "text":
		return badRequest("response_format", "Only the response format text is supported.")
	case c.Temperature != nil && (*c.Temperature < 0 || *c.Temperature > 2):
		return badRequest("temperature", "The temperature must be between 0 and 2.")
	case c.MaxTokens < 0 || c.MaxCompletionTokens < 0:
		return badRequest("max_completion_tokens", "The number of tokens must not be negative.")
	}
	return nil
}

// conversation sorts the messages: instructions, what was said before, and last
// the question.
func (c *chatRequest) conversation(req *query.Request) error {
	last := len(c.Messages) - 1
	if last < 0 || c.Messages[last].Role != "user" {
		return badRequest("messages", "The last message must be the question, with role user.")
	}
	var instructions []string
	for i, m := range c.Messages[:last] {
		switch m.Role {
		case "system", "developer":
			instructions = append(instructions, string(m.Content))
		case "user", "assistant":
			req.History = append(req.History, generate.Message{Role: m.Role, Content: string(m.Content)})
		default:
			return badRequest("messages", fmt.Sprintf("Message %d has role %q and must have system, developer, user or assistant.", i+1, m.Role))
		}
	}
	req.SystemPrompt = strings.Join(instructions, "\n\n")
	req.Question = string(c.Messages[last].Content)
	return nil
}
