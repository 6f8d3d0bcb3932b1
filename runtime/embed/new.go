package embed

import (
	"errors"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// New returns the configured embedder, without a cache; see [Cached]. It asks
// nobody: a provider that is away shows on the first call. The error names a
// file that cannot be read.
func New(cfg config.Embedding, upstreams *upstream.Registry) (Embedder, error) {
	switch {
	case cfg.Lexical != nil:
		return NewLexical(cfg.Dimensions), nil
	default:
		return nil, errors.New("embedding: has no provider")
	}
}
