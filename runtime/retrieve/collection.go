package retrieve

import (
	"context"
	"fmt"
	"sync/atomic"
)

// metric is how a store compares vectors.
type metric string

const (
	metricCosine metric = "cosine"
	// metricDot is the inner product: the cosine of vectors of unit length, as most
	// embedding models make them.
	metricDot metric = "dot"
)

// collection is what a store says of the place that is searched.
type collection struct {
	dimensions int
	metric     metric
	// name of the vector within a record; empty where there is only one.
	vector string
	// engine computes the scores; only OpenSearch has several.
	engine string
}

// schema asks the store for its collection when the first search needs it, and
// again when a vector does not fit: somebody may have mended it.
type schema struct {
	read  func(context.Context) (collection, error)
	known atomic.Pointer[collection]
}

// of returns the collection, which fits vectors of that length.
func (s *schema) of(ctx context.Context, dimensions int) (collection, error) {
	if known := s.known.Load(); known != nil && known.dimensions == dimensions {
		return *known, nil
	}
	c, err := s.read(ctx)
	if err != nil {
		return collection{}, err
	}
	if c.dimensions != dimensions {
		return collection{}, rejected(dimensionError(c.dimensions, dimensions))
	}
	if c.metric != metricCosine && c.metric != metricDot {
		return collection{}, rejected(fmt.Errorf("vectors are compared by %q there, and scores need cosine similarity, or the inner product of vectors of unit length", c.metric))
	}
	s.known.Store(&c)
	return c, nil
}
