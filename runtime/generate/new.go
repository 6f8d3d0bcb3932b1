package generate

import (
	"errors"
	"fmt"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// New returns the configured generator, with its retries, fallbacks and
// breakers. It asks nobody: a provider that is away shows on the first call. The
// error names a file that cannot be read.
func New(cfg config.Model, upstreams *upstream.Registry) (Generator, error) {
	c := &chain{
		timeout:  cfg.Timeout,
		settings: settings{systemPrompt: cfg.SystemPrompt, maxTokens: cfg.MaxOutputTokens, temperature: cfg.Temperature},
	}
	first, err := newLink(cfg.ModelProvider, upstreams)
	if err != nil {
		return nil, fmt.Errorf("model.%w", err)
	}
	c.links = append(c.links, first)
	for i, fallback := range cfg.Fallbacks {
		l, err := newLink(fallback, upstreams)
		if err != nil {
			return nil, fmt.Errorf("model.fallbacks[%d].%w", i, err)
		}
		c.links = append(c.links, l)
	}
	return c, nil
}

// newLink makes the provider that is set. Its errors begin with the provider's
// name.
func newLink(cfg config.ModelProvider, upstreams *upstream.Registry) (link, error) {
	var p provider
	var name string
	var err error
	switch {
	case cfg.OpenAI != nil:
		name = "openai"
		p, err = newOpenAI(*cfg.OpenAI)
	case cfg.Anthropic != nil:
		name = "anthropic"
		p, err = newAnthropic(*cfg.Anthropic)
	case cfg.Bedrock != nil:
		name = "bedrock"
		p, err = newBedrock(*cfg.Bedrock)
	case cfg.Extractive != nil:
		return link{provider: extractive{}}, nil
	default:
		return link{}, errors.New("provider: must be set")
	}
	if err != nil {
		return link{}, err
	}
	return link{provider: p, upstream: upstreams.New(name)}, nil
}
