package generate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
	"ragops.dev/ragservice/runtime/upstream/bedrockclient"
)

// bedrock asks a model of Amazon Bedrock through the Converse API, which is one
// for all of its models.
type bedrock struct {
	cfg    config.Bedrock
	client *bedrockruntime.Client
}

var _ provider = (*bedrock)(nil)

func newBedrock(cfg config.Bedrock) (*bedrock, error) {
	client, err := bedrockclient.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("bedrock: %w", err)
	}
	return &bedrock{cfg: cfg, client: client}, nil
}

func (b *bedrock) identity() string { return fmt.Sprintf("bedrock/%s/%s", b.cfg.Region, b.cfg.Model) }

// complete implements [provider].
func (b *bedrock) complete(ctx context.Context, p *prompt, emit func(string) error) (*Completion, error) {
	system, messages, inference := converse(p)
	if emit == nil {
		return b.whole(ctx, &bedrockruntime.ConverseInput{
			ModelId: &b.cfg.Model, System: system, Messages: messages, InferenceConfig: inference,
		})
	}
	return b.stream(ctx, &bedrockruntime.ConverseStreamInput{
		ModelId: &b.cfg.Model, System: system, Messages: messages, InferenceConfig: inference,
	}, emit)
}

// converse returns the parts that both operations share.
func converse(p *prompt) ([]types.SystemContentBlock, []types.Message, *types.InferenceConfiguration) {
	var system []types.SystemContentBlock
	if p.system != "" {
		system = append(system, &types.SystemContentBlockMemberText{Value: p.system})
	}
	messages := make([]types.Message, len(p.messages))
	for i, m := range p.messages {
		messages[i] = types.Message{
			Role:    types.ConversationRole(m.Role),
			Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: m.Content}},
		}
	}
	inference := &types.InferenceConfiguration{MaxTokens: aws.Int32(int32(p.maxTokens))}
	if p.temperature != nil {
		inference.Temperature = aws.Float32(float32(min(*p.temperature, 1))) // its range ends at 1
	}
	return system, messages, inference
}

func (b *bedrock) whole(ctx context.Context, input *bedrockruntime.ConverseInput) (*Completion, error) {
	answer, err := b.client.Converse(ctx, input)
	if err != nil {
		return nil, err
	}
	message, ok := answer.Output.(*types.ConverseOutputMemberMessage)
	if !ok {
		return nil, errors.New("the response has no message")
	}
	var text strings.Builder
	for _, block := range message.Value.Content {
		if t, ok := block.(*types.ContentBlockMemberText); ok {
			text.WriteString(t.Value)
		}
	}
	reason, err := claudeFinish(string(answer.StopReason))
	return &Completion{Text: text.String(), FinishReason: reason, Model: b.cfg.Model, Usage: converseUsage(answer.Usage)}, err
}

func (b *bedrock) stream(ctx context.Context, input *bedrockruntime.ConverseStreamInput, emit func(string) error) (*Completion, error) {
	answer, err := b.client.ConverseStream(ctx, input)
	if err != nil {
		return nil, err
	}
	stream := answer.GetStream()
	defer stream.Close()
	var text strings.Builder
	var reason types.StopReason
	completion := &Completion{Model: b.cfg.Model}
	for event := range stream.Events() {
		switch e := event.(type) {
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			delta, ok := e.Value.Delta.(*types.ContentBlockDeltaMemberText)
			if !ok {
				continue
			}
			text.WriteString(delta.Value)
			if err := emit(delta.Value); err != nil {
				return nil, err
			}
		case *types.ConverseStreamOutputMemberMessageStop:
			reason = e.Value.StopReason
		case *types.ConverseStreamOutputMemberMetadata:
			completion.Usage = converseUsage(e.Value.Usage)
		}
	}
	if err := stream.Err(); err != nil {
		return nil, bedrockStreamError(err)
	}
	completion.Text = text.String()
	completion.FinishReason, err = claudeFinish(string(reason))
	return completion, err
}

// bedrockStreamError gives an exception in the middle of a stream its kind,
// without the text that the server sent with it.
func bedrockStreamError(err error) error {
	if exception, ok := errors.AsType[interface {
		error
		ErrorCode() string
	}](err); ok {
		return &upstream.Error{
			Kind: upstream.KindUnavailable,
			Err:  fmt.Errorf("the stream ended with an error: %s", exception.ErrorCode()),
		}
	}
	return err
}

func converseUsage(u *types.TokenUsage) Usage {
	if u == nil {
		return Usage{}
	}
	return Usage{InputTokens: int(aws.ToInt32(u.InputTokens)), OutputTokens: int(aws.ToInt32(u.OutputTokens))}
}
