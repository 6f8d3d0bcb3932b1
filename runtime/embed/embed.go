// Package embed turns text into vectors, with one file per provider. It knows
// nothing of queries, caches or HTTP handlers.
package embed

import "context"

// Embedder turns text into vectors.
type Embedder interface {
	// Embed returns one vector per text, in order, each of the same length. The
	// texts and vectors are the caller's; an Embedder keeps neither. An error is
	// an [ragops.dev/ragservice/runtime/upstream.Error] where another server is
	// asked.
	Embed(ctx context.Context, texts []string) ([][]float32, error)

	// Identity names provider, model and dimensions. It is part of every cache
	// key's epoch: two embedders of one identity give the same vectors.
	Identity() string
}
