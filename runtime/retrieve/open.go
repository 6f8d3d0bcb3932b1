package retrieve

import (
	"context"
	"errors"
	"fmt"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/upstream"
)

// Open makes the configured store. It connects to no server: a store that is
// gone fails searches, not the start. The memory store reads its documents and
// embeds them; the others do not use the embedder.
func Open(ctx context.Context, cfg config.VectorStore, embedder embed.Embedder, upstreams *upstream.Registry) (Store, error) {
	store, err := open(ctx, cfg, embedder, upstreams)
	if err != nil {
		return nil, fmt.Errorf("vectorStore: %w", err)
	}
	return store, nil
}

func open(ctx context.Context, cfg config.VectorStore, embedder embed.Embedder, upstreams *upstream.Registry) (Store, error) {
	over := func(name string) remote { return remote{upstream: upstreams.New(name), timeout: cfg.Timeout} }
	switch {
	case cfg.Pinecone != nil:
		return openPinecone(*cfg.Pinecone, over("pinecone"))
	case cfg.Qdrant != nil:
		return openQdrant(*cfg.Qdrant, over("qdrant"))
	case cfg.Weaviate != nil:
		return openWeaviate(*cfg.Weaviate, over("weaviate"))
	case cfg.OpenSearch != nil:
		return openOpenSearch(*cfg.OpenSearch, over("openSearch"))
	case cfg.HTTP != nil:
		return openHTTP(*cfg.HTTP, over("http"))
	case cfg.PGVector != nil:
		return openPGVector(*cfg.PGVector, over("pgvector"))
	case cfg.Memory != nil:
		return openMemory(ctx, *cfg.Memory, embedder)
	}
	return nil, errors.New("has no provider")
}

// ReadOnlyError is why a store takes no documents.
type ReadOnlyError struct {
	// Store is the store's name as in the configuration.
	Store string
	// Advice says what to do instead.
	Advice string
}

// Error implements error.
func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("the %s store takes no documents: %s", e.Store, e.Advice)
}

// WriterOf returns the writer that the store is, or a [*ReadOnlyError].
func WriterOf(store Store) (Writer, error) {
	switch s := store.(type) {
	case Writer:
		return s, nil
	case *memory:
		return nil, &ReadOnlyError{Store: "memory", Advice: "change the files it is filled from, and roll out"}
	}
	return nil, &ReadOnlyError{Store: "http", Advice: "write to the service behind it"}
}

// dimensionError is about a vector that does not fit those in the store.
func dimensionError(want, got int) error {
	return fmt.Errorf("a vector has %d dimensions, and those in the store have %d: "+
		"is the embedding model the one that the store was filled with?", got, want)
}
