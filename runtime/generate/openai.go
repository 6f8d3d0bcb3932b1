package generate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/tidwall/gjson"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
	"ragops.dev/ragservice/runtime/upstream/openaiclient"
)

// openAI asks a server that speaks the chat completions API.
type openAI struct {
	cfg  config.OpenAI
	chat *openaiclient.Endpoint
	// oldBound sends max_tokens, which OpenAI deprecated for
	// max_completion_tokens and many compatible servers alone understand.
	oldBound bool
}

var _ provider = (*openAI)(nil)

func newOpenAI(cfg config.OpenAI) (*openAI, error) {
	chat, err := openaiclient.New(cfg, "chat/completions")
	if err != nil {
		return nil, fmt.Errorf("openAI.%w", err)
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("openAI.baseURL: %w", err)
	}
	return &openAI{
		cfg:      cfg,
		chat:     chat,
		oldBound: cfg.AzureAPIVersion == "" && base.Hostname() != "api.openai.com",
	}, nil
}

func (o *openAI) identity() string { return fmt.Sprintf("openai/%s/%s", o.cfg.BaseURL, o.cfg.Model) }

// connect implements [connector].
func (o *openAI) connect(ctx context.Context) error {
	return o.chat.Connect(ctx)
}

// complete implements [provider].
func (o *openAI) complete(ctx context.Context, p *prompt, emit func(string) error) (*Completion, error) {
	var body bytes.Buffer
	body.Grow(p.size())
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // < would be six bytes
	if err := encoder.Encode(o.request(p, emit != nil)); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	if emit == nil {
		return o.whole(ctx, body.Bytes())
	}
	return o.stream(ctx, body.Bytes(), emit)
}

// The forms of the API, as far as they are used. The client's own keep what was
// left out and what nobody knows apart from what was said, by reflection on every
// field and with the text of each. The client shapes the requests and reads the
// streams.

// chatRequest is "Create chat completion" of OpenAI's API reference.
type chatRequest struct {
	Model         string             `json:"model"`
	Messages      []chatMessage      `json:"messages"`
	MaxTokens     int                `json:"max_tokens,omitempty"`
	MaxCompletion int                `json:"max_completion_tokens,omitempty"`
	Temperature   *float64           `json:"temperature,omitempty"`
	Stream        bool               `json:"stream,omitempty"`
	StreamOptions *chatStreamOptions `json:"stream_options,omitempty"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type chatStreamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// chatChunk is "The chat completion chunk object", a part of a stream.
type chatChunk struct {
	Model   string `json:"model"`
	Choices []struct {
		Delta        chatMessage `json:"delta"`
		FinishReason string      `json:"finish_reason"`
	} `json:"choices"`
	Usage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	} `json:"usage"`
}

func (o *openAI) request(p *prompt, stream bool) chatRequest {
	request := chatRequest{Model: o.cfg.Model, Temperature: p.temperature, Messages: make([]chatMessage, 0, len(p.messages)+1)}
	if p.system != "" {
		request.Messages = append(request.Messages, chatMessage{"system", p.system})
	}
	for _, m := range p.messages {
		role := "user"
		if m.Role == "assistant" {
			role = m.Role
		}
		request.Messages = append(request.Messages, chatMessage{role, m.Content})
	}
	if o.oldBound {
		request.MaxTokens = p.maxTokens
	} else {
		request.MaxCompletion = p.maxTokens
	}
	if stream {
		request.Stream, request.StreamOptions = true, &chatStreamOptions{IncludeUsage: true}
	}
	return request
}

func (o *openAI) whole(ctx context.Context, body []byte) (*Completion, error) {
	response, err := o.chat.Post(ctx, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var completion *Completion
	err = upstream.ReadBody(response.Body, func(body []byte) (err error) {
		completion, err = readChat(body)
		return err
	})
	return completion, err
}

// readChat reads "The chat completion object". It looks for the fields that are used: to
// decode the object was a tenth of what a miss takes of the CPU.
func readChat(body []byte) (*Completion, error) {
	if !json.Valid(body) { // which bounds the depth, as that of gjson does not
		return nil, errors.New("the response is not JSON")
	}
	found := gjson.GetManyBytes(body, "choices.0.message.content", "choices.0.finish_reason", "model", "usage.prompt_tokens", "usage.completion_tokens")
	text, reason, model, input, output := found[0], found[1], found[2], found[3], found[4]
	if !text.Exists() && !reason.Exists() && !gjson.GetBytes(body, "choices.0").Exists() {
		return nil, errors.New("the response has no choices")
	}
	if text.Type != gjson.String && text.Type != gjson.Null { // null beside a refusal
		return nil, errors.New("the answer is not text")
	}
	finish, err := openAIFinish(reason.String())
	return &Completion{
		Text: plain(text), FinishReason: finish, Model: model.String(),
		Usage: Usage{InputTokens: int(input.Int()), OutputTokens: int(output.Int())},
	}, err
}

// plain is the text of a string or of null. Escapes by number, of which not all are
// characters, and what is no UTF-8 are for encoding/json to read.
func plain(text gjson.Result) string {
	if strings.Contains(text.Raw, `\u`) || !utf8.ValidString(text.Raw) {
		var s string
		if err := json.Unmarshal([]byte(text.Raw), &s); err == nil {
			return s
		}
	}
	return text.String()
}

func (o *openAI) stream(ctx context.Context, body []byte, emit func(string) error) (*Completion, error) {
	response, err := o.chat.Post(ctx, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	stream := ssestream.NewStream[chatChunk](ssestream.NewDecoder(response), nil)
	var text strings.Builder
	var finish string
	completion := &Completion{}
	for stream.Next() {
		chunk := stream.Current()
		if chunk.Model != "" {
			completion.Model = chunk.Model
		}
		if chunk.Usage.Total > 0 {
			completion.Usage = Usage{InputTokens: chunk.Usage.Prompt, OutputTokens: chunk.Usage.Completion}
		}
		if len(chunk.Choices) == 0 {
			continue
		}
		choice := &chunk.Choices[0]
		if choice.FinishReason != "" {
			finish = choice.FinishReason
		}
		text.WriteString(choice.Delta.Content)
		if err := emit(choice.Delta.Content); err != nil {
			return nil, err
		}
	}
	if err := stream.Err(); err != nil {
		return nil, openAIStreamError(err)
	}
	completion.Text = text.String()
	completion.FinishReason, err = openAIFinish(finish)
	return completion, err
}

// openAIStreamError gives an error in the middle of a stream its kind, without
// the text that the server sent with it.
func openAIStreamError(err error) error {
	if e, ok := errors.AsType[*ssestream.StreamError](err); ok {
		return brokenStream(e.Event.Data)
	}
	return err
}

// brokenStream is the error of a server that ended its stream with one.
func brokenStream(body []byte) error {
	err := errors.New("the stream ended with an error")
	if code := upstream.ErrorCode(body); code != "" {
		err = fmt.Errorf("%w: %s", err, code)
	}
	return &upstream.Error{Kind: upstream.KindUnavailable, Err: err}
}

// openAIFinish maps a finish reason. Compatible servers have other words for
// stop. Without one the answer was cut off.
func openAIFinish(reason string) (FinishReason, error) {
	switch reason {
	case "stop", "eos", "eos_token", "stop_sequence", "end_turn":
		return FinishStop, nil
	case "length", "max_tokens":
		return FinishLength, nil
	case "content_filter":
		return FinishContentFilter, nil
	case "":
		return "", errors.New("the answer was cut off: it has no finish reason")
	default:
		return "", errors.New("the answer ended for a reason other than stop, length and content_filter")
	}
}
