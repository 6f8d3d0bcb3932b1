package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/openai/openai-go/v3"

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
	embeddings *openaiclient.Endpoint
	// dimensions is sent where the model can shorten its vectors; else 0.
	dimensions int
	// packed is set once the server has answered in base64, plain where it refuses
	// to.
	packed, plain atomic.Bool
}

var _ provider = (*openAI)(nil)

func newOpenAI(cfg config.OpenAI, dimensions int) (*openAI, error) {
	embeddings, err := openaiclient.New(cfg, "embeddings")
	if err != nil {
		return nil, fmt.Errorf("openAI.%w", err)
	}
	o := &openAI{cfg: cfg, embeddings: embeddings}
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
	return o.embeddings.Connect(ctx)
}

// embed implements [provider]. Vectors are asked for in base64, as the official
// Python client does: in decimals they are several times as long, and each number has
// to be parsed. A server that does not know base64 either sends numbers all
// the same, which are understood, or refuses the request; until one has been
// answered in base64, a refused one is sent again without.
func (o *openAI) embed(ctx context.Context, texts []string, _ purpose) ([][]float32, error) {
	if o.plain.Load() {
		return o.ask(ctx, texts, "")
	}
	vectors, err := o.ask(ctx, texts, string(openai.EmbeddingNewParamsEncodingFormatBase64))
	if err == nil {
		o.packed.Store(true)
		return vectors, nil
	}
	refused, ok := errors.AsType[*upstream.Error](err)
	if o.packed.Load() || !ok || refused.Status != http.StatusBadRequest && refused.Status != http.StatusUnprocessableEntity {
		return nil, err
	}
	if vectors, again := o.ask(ctx, texts, ""); again == nil {
		o.plain.Store(true)
		return vectors, nil
	}
	return nil, err
}

// The forms of the API, as far as they are used, from "Create embeddings" of
// OpenAI's API reference. The client's own know no base64, and keep the text of every
// number beside its value.
type (
	embeddingRequest struct {
		Model      string   `json:"model"`
		Input      []string `json:"input"`
		Format     string   `json:"encoding_format,omitempty"`
		Dimensions int      `json:"dimensions,omitempty"`
	}
	embeddingAnswer struct {
		Data []struct {
			Index     int64        `json:"index"`
			Embedding packedVector `json:"embedding"`
		} `json:"data"`
	}
)

func (o *openAI) ask(ctx context.Context, texts []string, format string) ([][]float32, error) {
	body, err := json.Marshal(embeddingRequest{Model: o.cfg.Model, Input: texts, Format: format, Dimensions: o.dimensions})
	if err != nil {
		return nil, err
	}
	response, err := o.embeddings.Post(ctx, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer embeddingAnswer
	if err := upstream.DecodeJSON(response.Body, &answer); err != nil {
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
