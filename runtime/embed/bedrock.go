package embed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream/bedrockclient"
)

// bedrock asks an embedding model of Amazon Bedrock. InvokeModel hands the body
// on to the model, so each maker's models have a form of their own.
type bedrock struct {
	cfg    config.Bedrock
	client *bedrockruntime.Client
	form   bedrockForm
}

// bedrockForm is the body of one maker's models.
type bedrockForm interface {
	batch() int
	request(texts []string, of purpose) any
	vectors(response []byte) ([][]float32, error)
}

var _ provider = (*bedrock)(nil)

func newBedrock(cfg config.Bedrock, dimensions int) (*bedrock, error) {
	form, err := bedrockFormOf(cfg.Model, dimensions)
	if err != nil {
		return nil, fmt.Errorf("bedrock.model: %w", err)
	}
	client, err := bedrockclient.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("bedrock: %w", err)
	}
	return &bedrock{cfg: cfg, client: client, form: form}, nil
}

// bedrockFormOf tells the maker from a model's id, inference profile or ARN.
func bedrockFormOf(model string, dimensions int) (bedrockForm, error) {
	switch {
	case strings.Contains(model, "titan-embed-text-v2"):
		return titan{dimensions: dimensions}, nil
	case strings.Contains(model, "titan-embed"):
		return titan{}, nil // the first version takes no dimensions
	case strings.Contains(model, "cohere.embed-v4"):
		return cohere{dimensions: dimensions, truncate: "RIGHT"}, nil
	case strings.Contains(model, "cohere.embed"):
		return cohere{truncate: "END"}, nil
	default:
		return nil, fmt.Errorf("is %q, and must be one of Amazon Titan (amazon.titan-embed…) or Cohere (cohere.embed…)", model)
	}
}

func (b *bedrock) batch() int { return b.form.batch() }

func (b *bedrock) identity() string { return fmt.Sprintf("bedrock/%s/%s", b.cfg.Region, b.cfg.Model) }

// embed implements [provider].
func (b *bedrock) embed(ctx context.Context, texts []string, of purpose) ([][]float32, error) {
	body, err := json.Marshal(b.form.request(texts, of))
	if err != nil {
		return nil, err
	}
	answer, err := b.client.InvokeModel(ctx, &bedrockruntime.InvokeModelInput{
		ModelId: &b.cfg.Model, Body: body, ContentType: aws.String("application/json"), Accept: aws.String("application/json"),
	})
	if err != nil {
		return nil, err
	}
	vectors, err := b.form.vectors(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("the response is not the model's: %w", err)
	}
	return vectors, nil
}

// titan is the form of Amazon Titan Text Embeddings, one text a call: Bedrock
// user guide, "Amazon Titan Embeddings G1 - Text" and "Text Embeddings V2".
type titan struct{ dimensions int }

func (titan) batch() int { return 1 }

func (f titan) request(texts []string, _ purpose) any {
	return struct {
		InputText  string `json:"inputText"`
		Dimensions int    `json:"dimensions,omitempty"`
	}{texts[0], f.dimensions}
}

func (titan) vectors(response []byte) ([][]float32, error) {
	var answer struct {
		Embedding []float32 `json:"embedding"`
	}
	err := json.Unmarshal(response, &answer)
	return [][]float32{answer.Embedding}, err
}

// cohere is the form of Cohere Embed 3 and 4: Bedrock user guide, "Cohere Embed
// v3" and "Cohere Embed v4".
type cohere struct {
	dimensions int
	// truncate cuts long texts at their end, which the versions name differently.
	truncate string
}

func (cohere) batch() int { return 96 }

func (f cohere) request(texts []string, of purpose) any {
	inputType := "search_query"
	if of == document {
		inputType = "search_document"
	}
	return struct {
		Texts          []string `json:"texts"`
		InputType      string   `json:"input_type"`
		EmbeddingTypes []string `json:"embedding_types"`
		Truncate       string   `json:"truncate"`
		Dimensions     int      `json:"output_dimension,omitempty"`
	}{texts, inputType, []string{"float"}, f.truncate, f.dimensions}
}

func (cohere) vectors(response []byte) ([][]float32, error) {
	var answer struct {
		Embeddings struct {
			Float [][]float32 `json:"float"`
		} `json:"embeddings"`
	}
	err := json.Unmarshal(response, &answer)
	return answer.Embeddings.Float, err
}
