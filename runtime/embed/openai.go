package embed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
	"ragops.dev/ragservice/runtime/upstream/openaiclient"
)

// openAIBatch is well below OpenAI's 2,048 texts and 300,000 tokens for one
// request, with passages of a few hundred tokens.
const openAIBatch = 128

// openAI asks a server that speaks OpenAI's embeddings API.
type openAI struct {
	cfg        config.OpenAI
	client     *http.Client
	embeddings openai.EmbeddingService
	// dimensions is sent where the model can shorten its vectors; else 0.
	dimensions int
}

var _ provider = (*openAI)(nil)

func newOpenAI(cfg config.OpenAI, dimensions int) (*openAI, error) {
	options, client, err := openaiclient.Options(cfg)
	if err != nil {
		return nil, fmt.Errorf("openAI.apiKeyFile: %w", err)
	}
	o := &openAI{cfg: cfg, client: client, embeddings: openai.NewEmbeddingService(options...)}
	// The API reference: "only supported in text-embedding-3 and later models";
	// others refuse the field, and so do many compatible servers.
	if strings.HasPrefix(cfg.Model, "text-embedding-3") {
		o.dimensions = dimensions
	}
	return o, nil
}

func (o *openAI) batch() int { return openAIBatch }

func (o *openAI) identity() string { return fmt.Sprintf("openai/%s/%s", o.cfg.BaseURL, o.cfg.Model) }

// connect implements [connector].
func (o *openAI) connect(ctx context.Context) error {
	return upstream.Connect(ctx, o.client, o.cfg.BaseURL)
}

// embed implements [provider].
func (o *openAI) embed(ctx context.Context, texts []string, _ purpose) ([][]float32, error) {
	params := openai.EmbeddingNewParams{
		Model: o.cfg.Model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
	}
	if o.dimensions > 0 {
		params.Dimensions = openai.Int(int64(o.dimensions))
	}
	// Into a form of our own: the client's keeps the text of every number beside
	// its value, which was an eighth of the CPU time of a miss.
	var answer struct {
		Data []struct {
			Index     int64
			Embedding []float32
		}
	}
	if _, err := o.embeddings.New(ctx, params, option.WithResponseBodyInto(&answer)); err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(texts))
	for _, e := range answer.Data {
		if e.Index < 0 || e.Index >= int64(len(texts)) || vectors[e.Index] != nil {
			return nil, errors.New("the vectors are not numbered from 0 to one less than the texts")
		}
		vectors[e.Index] = e.Embedding
	}
	return vectors, nil
}
