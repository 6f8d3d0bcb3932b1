// Package embed turns text into vectors, with one file per provider. It knows
// nothing of queries, answers or HTTP handlers.
package embed

import "context"

// Embedder turns text into vectors.
type Embedder interface {
	// Embed returns one vector per text, in order, each of the same length. The
	// texts and vectors are the caller's; an Embedder keeps neither. An error is
	// an [ragops.dev/ragservice/runtime/upstream.Error] where another server is
	// asked, or ctx's own.
	Embed(ctx context.Context, texts []string) ([][]float32, error)

	// Identity names provider, model and dimensions. It is part of every cache
	// key's epoch: two embedders of one identity give the same vectors.
	Identity() string
}

// Documents returns the embedder for texts that will be searched. E itself is
// for questions: some models (Cohere's) embed the two in different ways.
func Documents(e Embedder) Embedder {
	if d, ok := e.(interface{ forDocuments() Embedder }); ok {
		return d.forDocuments()
	}
	return e
}

// Dimensions returns the length of the vectors that e gave last, whether they
// were as configured or not; 0 before the first ones.
func Dimensions(e Embedder) int {
	if d, ok := e.(interface{ Dimensions() int }); ok {
		return d.Dimensions()
	}
	return 0
}

// Instant tells whether e has the text's vector within microseconds, from its
// cache or because it makes vectors in this process: then there is no need to
// begin before the vector is needed.
func Instant(e Embedder, text string) bool {
	switch e := e.(type) {
	case Lexical:
		return true
	case *cached:
		_, ok := e.vectors.GetIfPresent(text)
		return ok
	}
	return false
}
