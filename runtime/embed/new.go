package embed

import (
	"errors"
	"fmt"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// New returns the configured embedder, without a cache; see [Cached]. It asks
// nobody: a provider that is away shows on the first call. The error names a
// file that cannot be read, or a model whose form is not known.
func New(cfg config.Embedding, upstreams *upstream.Registry) (Embedder, error) {
	var name string
	var p provider
	var err error
	switch {
	case cfg.Lexical != nil:
		return NewLexical(cfg.Dimensions), nil
	case cfg.OpenAI != nil:
		name = "openai"
		p, err = newOpenAI(*cfg.OpenAI, cfg.Dimensions)
	case cfg.TextEmbeddingsInference != nil:
		name = "text-embeddings-inference"
		p, err = newTEI(*cfg.TextEmbeddingsInference)
	case cfg.Bedrock != nil:
		name = "bedrock"
		p, err = newBedrock(*cfg.Bedrock, cfg.Dimensions)
	default:
		err = errors.New("provider: must be set")
	}
	if err != nil {
		return nil, fmt.Errorf("embedding.%w", err)
	}
	return remote{shared: &shared{
		provider: p, upstream: upstreams.New(name), timeout: cfg.Timeout, configured: cfg.Dimensions,
	}}, nil
}
