package embed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ragops.dev/ragservice/runtime/upstream"
)

// provider asks one embedding model once.
type provider interface {
	// embed returns a vector for each of at most batch texts. An error that is
	// neither an [upstream.Error] nor ctx's counts as an answer that cannot be
	// understood.
	embed(ctx context.Context, texts []string, of purpose) ([][]float32, error)
	// batch is how many texts one call takes.
	batch() int
	// identity names provider, server and model.
	identity() string
}

// connector is a provider whose server can be connected to ahead of the first
// text.
type connector interface {
	connect(ctx context.Context) error
}

// purpose is what a text is embedded for. Some models tell the two apart.
type purpose int

const (
	question purpose = iota
	document
)

// parallelCalls is how many batches of one Embed are asked for at a time.
const parallelCalls = 4

// remote is an embedder behind a network: retries, batches, and a check of what
// comes back.
type remote struct {
	*shared
	purpose purpose
}

// shared is what the views of one remote embedder for both purposes have in
// common.
type shared struct {
	provider   provider
	upstream   *upstream.Upstream
	timeout    time.Duration
	configured int          // dimensions; 0 takes those of the first vector
	first      atomic.Int64 // dimensions of the first vector; 0 before it
	last       atomic.Int64 // dimensions of the newest vector; 0 before the first
}

var _ Embedder = remote{}

// Connect opens a connection to the provider's server where it can. An error says
// that it could not be reached; the first text finds out for itself.
func (r remote) Connect(ctx context.Context) error {
	if p, ok := r.provider.(connector); ok {
		return p.connect(ctx)
	}
	return nil
}

// Identity implements [Embedder].
func (r remote) Identity() string {
	if r.configured == 0 {
		return r.provider.identity()
	}
	return fmt.Sprintf("%s/%d", r.provider.identity(), r.configured)
}

// Dimensions is how long the vectors are that came last; 0 before that.
func (r remote) Dimensions() int { return int(r.last.Load()) }

// forDocuments is what [Documents] returns.
func (r remote) forDocuments() Embedder { return remote{r.shared, document} }

// Embed implements [Embedder]. The timeout holds for each batch.
func (r remote) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	size := r.provider.batch()
	if len(texts) <= size {
		return r.one(ctx, texts)
	}
	vectors := make([][]float32, len(texts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelCalls)
	for start := 0; start < len(texts); start += size {
		end := min(start+size, len(texts))
		group.Go(func() error {
			batch, err := r.one(ctx, texts[start:end])
			copy(vectors[start:end], batch)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return vectors, nil
}

// one asks for one batch.
func (r remote) one(ctx context.Context, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return upstream.Do(ctx, r.upstream, func(ctx context.Context) ([][]float32, error) {
		vectors, err := r.provider.embed(ctx, texts, r.purpose)
		if err == nil {
			err = r.check(vectors, len(texts))
		}
		if _, known := errors.AsType[*upstream.Error](err); err != nil && !known && ctx.Err() == nil {
			err = &upstream.Error{Kind: upstream.KindInvalidResponse, Err: err}
		}
		return vectors, err
	})
}

// check holds an answer to one vector per text, all of one length, which is the
// configured one or else that of the first answer.
func (r remote) check(vectors [][]float32, texts int) error {
	if len(vectors) != texts {
		return fmt.Errorf("%d vectors for %d texts", len(vectors), texts)
	}
	for _, v := range vectors {
		if len(v) == 0 {
			return errors.New("a vector is empty")
		}
		r.last.Store(int64(len(v)))
		r.first.CompareAndSwap(0, int64(len(v)))
		if want := cmp.Or(r.configured, int(r.first.Load())); want != len(v) {
			return &upstream.Error{Kind: upstream.KindRejected, Err: &DimensionError{Configured: want, Actual: len(v)}}
		}
	}
	return nil
}

// DimensionError is vectors of another length than those of the vector store.
type DimensionError struct {
	// Configured is embedding.dimensions, or the length of the first vectors
	// where that is not set.
	Configured int
	Actual     int
}

// Error implements error.
func (e *DimensionError) Error() string {
	return fmt.Sprintf("the model's vectors have %d dimensions, and %d are configured: set embedding.dimensions to %d, "+
		"and make sure that the vector store's documents were embedded with the same model", e.Actual, e.Configured, e.Actual)
}
