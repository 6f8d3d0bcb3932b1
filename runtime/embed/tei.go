package embed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// teiBatch is the default of Text Embeddings Inference's
// --max-client-batch-size.
const teiBatch = 32

// tei asks a server of Text Embeddings Inference. Its API is one call of plain
// JSON, and there is no official client for Go.
type tei struct {
	cfg    config.TextEmbeddingsInference
	client *http.Client
}

var _ provider = (*tei)(nil)

func newTEI(cfg config.TextEmbeddingsInference) (*tei, error) {
	client, err := upstream.NewHTTPClient(upstream.Secret{File: cfg.APIKeyFile, Header: "Authorization", Prefix: "Bearer "})
	if err != nil {
		return nil, fmt.Errorf("textEmbeddingsInference.apiKeyFile: %w", err)
	}
	return &tei{cfg: cfg, client: client}, nil
}

func (t *tei) batch() int { return teiBatch }

func (t *tei) identity() string {
	return fmt.Sprintf("text-embeddings-inference/%s/%s", t.cfg.Endpoint, t.cfg.Model)
}

// connect implements [connector].
func (t *tei) connect(ctx context.Context) error {
	return upstream.Connect(ctx, t.client, t.cfg.Endpoint)
}

// embed implements [provider]. Texts beyond the model's length are cut by the
// server.
func (t *tei) embed(ctx context.Context, texts []string, _ purpose) ([][]float32, error) {
	body, err := json.Marshal(struct {
		Inputs    []string `json:"inputs"`
		Truncate  bool     `json:"truncate"`
		Normalize bool     `json:"normalize"`
	}{texts, true, true})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(t.cfg.Endpoint, "/")+"/embed", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := t.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer []packedVector
	if err := upstream.DecodeJSON(response.Body, &answer); err != nil {
		return nil, fmt.Errorf("the response is no list of vectors: %w", err)
	}
	vectors := make([][]float32, len(answer))
	for i, v := range answer {
		vectors[i] = v
	}
	return vectors, nil
}
