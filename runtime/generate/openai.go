package generate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/ssestream"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
	"ragops.dev/ragservice/runtime/upstream/openaiclient"
)

// openAI asks a server that speaks the chat completions API.
type openAI struct {
	cfg         config.OpenAI
	client      *http.Client
	completions openai.ChatCompletionService
	// oldBound sends max_tokens, which OpenAI deprecated for
	// max_completion_tokens and many compatible servers alone understand.
	oldBound bool
}

var _ provider = (*openAI)(nil)

func newOpenAI(cfg config.OpenAI) (*openAI, error) {
	options, client, err := openaiclient.Options(cfg)
	if err != nil {
		return nil, fmt.Errorf("openAI.apiKeyFile: %w", err)
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("openAI.baseURL: %w", err)
	}
	return &openAI{
		cfg:         cfg,
		client:      client,
		completions: openai.NewChatCompletionService(options...),
		oldBound:    cfg.AzureAPIVersion == "" && base.Hostname() != "api.openai.com",
	}, nil
}

func (o *openAI) identity() string { return fmt.Sprintf("openai/%s/%s", o.cfg.BaseURL, o.cfg.Model) }

// connect implements [connector].
func (o *openAI) connect(ctx context.Context) error {
	return upstream.Connect(ctx, o.client, o.cfg.BaseURL)
}

// complete implements [provider].
func (o *openAI) complete(ctx context.Context, p prompt, emit func(string) error) (Completion, error) {
	params := o.params(p)
	if emit == nil {
		return o.whole(ctx, params)
	}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	return o.stream(ctx, params, emit)
}

func (o *openAI) params(p prompt) openai.ChatCompletionNewParams {
	params := openai.ChatCompletionNewParams{Model: o.cfg.Model}
	if p.system != "" {
		params.Messages = append(params.Messages, openai.SystemMessage(p.system))
	}
	for _, m := range p.messages {
		if m.Role == "assistant" {
			params.Messages = append(params.Messages, openai.AssistantMessage(m.Content))
		} else {
			params.Messages = append(params.Messages, openai.UserMessage(m.Content))
		}
	}
	if o.oldBound {
		params.MaxTokens = openai.Int(int64(p.maxTokens))
	} else {
		params.MaxCompletionTokens = openai.Int(int64(p.maxTokens))
	}
	if p.temperature != nil {
		params.Temperature = openai.Float(*p.temperature)
	}
	return params
}

func (o *openAI) whole(ctx context.Context, params openai.ChatCompletionNewParams) (Completion, error) {
	answer, err := o.completions.New(ctx, params)
	if err != nil {
		return Completion{}, err
	}
	if len(answer.Choices) == 0 {
		return Completion{}, errors.New("the response has no choices")
	}
	choice := answer.Choices[0]
	reason, err := openAIFinish(choice.FinishReason)
	return Completion{
		Text: choice.Message.Content, FinishReason: reason, Model: answer.Model, Usage: openAIUsage(answer.Usage),
	}, err
}

func (o *openAI) stream(ctx context.Context, params openai.ChatCompletionNewParams, emit func(string) error) (Completion, error) {
	stream := o.completions.NewStreaming(ctx, params)
	defer stream.Close()
	var text strings.Builder
	var finish string
	var completion Completion
	for stream.Next() {
		chunk := stream.Current()
		if chunk.Model != "" {
			completion.Model = chunk.Model
		}
		if chunk.Usage.TotalTokens > 0 {
			completion.Usage = openAIUsage(chunk.Usage)
		}
		if len(chunk.Choices) == 0 {
			continue
		}
		choice := chunk.Choices[0]
		if choice.FinishReason != "" {
			finish = choice.FinishReason
		}
		text.WriteString(choice.Delta.Content)
		if err := emit(choice.Delta.Content); err != nil {
			return Completion{}, err
		}
	}
	if err := stream.Err(); err != nil {
		return Completion{}, openAIStreamError(err)
	}
	var err error
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

func openAIUsage(u openai.CompletionUsage) Usage {
	return Usage{InputTokens: int(u.PromptTokens), OutputTokens: int(u.CompletionTokens)}
}
