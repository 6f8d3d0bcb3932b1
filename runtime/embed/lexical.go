package embed

import (
	"context"
	"fmt"

	"ragops.dev/ragservice/runtime/lexical"
)

// Lexical is the embedded provider: it hashes words, pairs of words and pieces
// of words. Texts that share words come out similar; synonyms do not.
type Lexical struct{ dimensions int }

var _ Embedder = Lexical{}

// NewLexical returns an embedder of vectors with that many dimensions.
func NewLexical(dimensions int) Lexical { return Lexical{dimensions} }

// Embed implements [Embedder]. The only error is ctx's.
func (l Lexical) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		vectors[i] = lexical.Vector(text, l.dimensions)
	}
	return vectors, nil
}

// Dimensions is what [Dimensions] returns.
func (l Lexical) Dimensions() int { return l.dimensions }

// Identity implements [Embedder].
func (l Lexical) Identity() string {
	return fmt.Sprintf("lexical/%d/%d", lexical.Version, l.dimensions)
}
