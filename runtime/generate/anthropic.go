package generate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// claude asks the Messages API of Anthropic. It always streams: an answer that
// is cut off shows at once, and the API wants it for long answers.
type claude struct {
	cfg      config.Anthropic
	client   *http.Client
	messages anthropic.MessageService
}

var _ provider = (*claude)(nil)

func newAnthropic(cfg config.Anthropic) (*claude, error) {
	client, err := upstream.NewHTTPClient(upstream.Secret{File: cfg.APIKeyFile, Header: "X-Api-Key"})
	if err != nil {
		return nil, fmt.Errorf("anthropic.apiKeyFile: %w", err)
	}
	return &claude{cfg: cfg, client: client, messages: anthropic.NewMessageService(
		option.WithHTTPClient(client),
		option.WithBaseURL(strings.TrimSuffix(cfg.BaseURL, "/")+"/"),
		option.WithMaxRetries(0),
	)}, nil
}

func (c *claude) identity() string { return fmt.Sprintf("anthropic/%s/%s", c.cfg.BaseURL, c.cfg.Model) }

// connect implements [connector].
func (c *claude) connect(ctx context.Context) error {
	return upstream.Connect(ctx, c.client, c.cfg.BaseURL)
}

func (c *claude) params(p *prompt) anthropic.MessageNewParams {
	params := anthropic.MessageNewParams{Model: c.cfg.Model, MaxTokens: int64(p.maxTokens)}
	if p.system != "" {
		params.System = []anthropic.TextBlockParam{{Text: p.system}}
	}
	for _, m := range p.messages {
		block := anthropic.NewTextBlock(m.Content)
		if m.Role == "assistant" {
			params.Messages = append(params.Messages, anthropic.NewAssistantMessage(block))
		} else {
			params.Messages = append(params.Messages, anthropic.NewUserMessage(block))
		}
	}
	if p.temperature != nil {
		params.Temperature = anthropic.Float(min(*p.temperature, 1)) // its range ends at 1
	}
	return params
}

// complete implements [provider].
func (c *claude) complete(ctx context.Context, p *prompt, emit func(string) error) (*Completion, error) {
	stream := c.messages.NewStreaming(ctx, c.params(p))
	defer stream.Close()
	var text strings.Builder
	var reason anthropic.StopReason
	completion := &Completion{}
	stopped := false
	for stream.Next() {
		switch event := stream.Current(); event.Type {
		case "message_start":
			completion.Model = event.Message.Model
			completion.Usage.InputTokens = int(event.Message.Usage.InputTokens)
		case "content_block_delta":
			text.WriteString(event.Delta.Text)
			if emit == nil {
				continue
			}
			if err := emit(event.Delta.Text); err != nil {
				return nil, err
			}
		case "message_delta":
			reason = event.Delta.StopReason
			completion.Usage.OutputTokens = int(event.Usage.OutputTokens)
		case "message_stop":
			stopped = true
		}
	}
	if err := stream.Err(); err != nil {
		return nil, claudeStreamError(err)
	}
	if !stopped {
		return nil, errors.New("the answer was cut off: the stream has no message_stop")
	}
	var err error
	completion.Text = text.String()
	completion.FinishReason, err = claudeFinish(string(reason))
	return completion, err
}

// claudeStreamError gives an error event its kind, without the text that the
// server sent with it.
func claudeStreamError(err error) error {
	_, known := errors.AsType[*upstream.Error](err)
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, at, event := strings.Cut(err.Error(), "{")
	if known || syntax || !event {
		return err
	}
	return brokenStream([]byte("{" + at))
}

// claudeFinish maps a stop reason of Anthropic's models, which Bedrock has as
// well.
func claudeFinish(reason string) (FinishReason, error) {
	switch reason {
	case "end_turn", "stop_sequence":
		return FinishStop, nil
	case "max_tokens", "model_context_window_exceeded":
		return FinishLength, nil
	case "refusal", "guardrail_intervened", "content_filtered":
		return FinishContentFilter, nil
	case "":
		return "", errors.New("the answer was cut off: it has no stop reason")
	default:
		return "", errors.New("the answer ended for a reason that is not known")
	}
}
