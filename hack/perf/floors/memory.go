package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/upstream"
)

const (
	memoryPassages   = 10_000
	memoryDimensions = 384
	// memorySearches are timed in each round.
	memorySearches = 200
)

// memorySearch times exact searches of the memory store, one at a time.
func memorySearch(ctx context.Context, l *lab) (figures, error) {
	var documents strings.Builder
	for i := range memoryPassages {
		fmt.Fprintf(&documents, "# Passage %d\n\nA heading of its own makes this a passage.\n\n", i)
	}
	path, err := l.write("passages/all.md", documents.String())
	if err != nil {
		return nil, err
	}
	vectors := &randomVectors{random: rand.New(rand.NewPCG(1, 2))}
	store, err := retrieve.Open(ctx, config.VectorStore{Memory: &config.Memory{Documents: []string{path}}}, vectors, &upstream.Registry{})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	if vectors.made != memoryPassages {
		return nil, fmt.Errorf("the store holds %d passages, and should hold %d", vectors.made, memoryPassages)
	}
	got := figures{}
	for range l.rounds {
		took := make([]time.Duration, memorySearches)
		for i := range took {
			question := randomVector(vectors.random, memoryDimensions)
			began := time.Now()
			found, err := store.Search(ctx, retrieve.Query{Vector: question, TopK: 5, MinScore: -1})
			took[i] = time.Since(began)
			if err != nil {
				return nil, err
			}
			if len(found) != 5 {
				return nil, fmt.Errorf("%d passages found, wanted 5", len(found))
			}
		}
		got.add("memory-search", milliseconds(median(took)))
	}
	return got, nil
}

// randomVectors embeds every text as a random vector: what is found does not
// matter, and a search takes the same time whatever it finds.
type randomVectors struct {
	random *rand.Rand
	made   int
}

var _ embed.Embedder = (*randomVectors)(nil)

// Embed implements [embed.Embedder].
func (r *randomVectors) Embed(_ context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i := range vectors {
		vectors[i] = randomVector(r.random, memoryDimensions)
	}
	r.made += len(texts)
	return vectors, nil
}

// Identity implements [embed.Embedder].
func (r *randomVectors) Identity() string { return "random" }

func randomVector(random *rand.Rand, dimensions int) []float32 {
	vector := make([]float32, dimensions)
	for i := range vector {
		vector[i] = float32(random.NormFloat64())
	}
	return vector
}
