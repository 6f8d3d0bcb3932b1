package retrieve

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/pinecone-io/go-pinecone/v5/pinecone"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"ragops.dev/ragservice/runtime/config"
)

// pineconeStore searches an index of Pinecone. The text is a field of the
// metadata.
type pineconeStore struct {
	remote
	index     *pinecone.IndexConnection
	textField string
	known     knownCollection
	// metric as the index last said; the client does not hand it on.
	metric atomic.Pointer[string]
}

var _ Writer = (*pineconeStore)(nil)

func openPinecone(cfg config.Pinecone, r remote) (*pineconeStore, error) {
	secret, err := grpcSecret("api-key", cfg.APIKeyFile)
	if err != nil {
		return nil, err
	}
	client, err := pinecone.NewClientBase(pinecone.NewClientBaseParams{SourceTag: "ragservice"})
	if err != nil {
		return nil, fmt.Errorf("pinecone: %w", err)
	}
	s := &pineconeStore{remote: r, textField: cfg.TextField}
	s.known.read = s.readIndex
	s.index, err = client.Index(pinecone.NewIndexConnParams{Host: cfg.IndexHost, Namespace: cfg.Namespace},
		secret, grpc.WithChainUnaryInterceptor(s.noteMetric))
	if err != nil {
		return nil, fmt.Errorf("pinecone: %w", err)
	}
	return s, nil
}

// noteMetric takes the metric out of replies that have it.
func (s *pineconeStore) noteMetric(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	if message, ok := reply.(proto.Message); ok && err == nil {
		r := message.ProtoReflect()
		if field := r.Descriptor().Fields().ByName("metric"); field != nil {
			s.metric.Store(new(r.Get(field).String()))
		}
	}
	return err
}

func (s *pineconeStore) readIndex(ctx context.Context) (collection, error) {
	stats, err := s.index.DescribeIndexStats(ctx)
	if err != nil {
		return collection{}, grpcError(ctx, err)
	}
	if stats.Dimension == nil {
		return collection{}, rejected(fmt.Errorf("the index holds sparse vectors, and must hold dense ones"))
	}
	c := collection{dimensions: int(*stats.Dimension)}
	switch said := s.metric.Load(); {
	case said == nil, *said == "", *said == "cosine": // servers of older versions say nothing
		c.metric = metricCosine
	case *said == "dotproduct":
		c.metric = metricDot
	default:
		c.metric = metric(*said)
	}
	return c, nil
}

// Search implements [Store].
func (s *pineconeStore) Search(ctx context.Context, query Query) ([]Passage, error) {
	return ask(ctx, s.remote, func(ctx context.Context) ([]Passage, error) {
		c, err := s.known.of(ctx, len(query.Vector), nil)
		if err != nil {
			return nil, err
		}
		filter, err := query.Filter.pinecone()
		if err != nil {
			return nil, rejected(err)
		}
		found, err := s.index.QueryByVectorValues(ctx, &pinecone.QueryByVectorValuesRequest{
			Vector: query.unitVector(c), TopK: uint32(query.TopK), MetadataFilter: filter, IncludeMetadata: true,
		})
		if err != nil {
			return nil, grpcError(ctx, err)
		}
		matches := make([]match, len(found.Matches))
		for i, m := range found.Matches {
			matches[i] = match{id: m.Vector.Id, score: float64(m.Score), fields: m.Vector.Metadata.AsMap()}
		}
		return passages(matches, s.textField, query)
	})
}

// Upsert implements [Writer].
func (s *pineconeStore) Upsert(ctx context.Context, records []Record) error {
	vectors := make([]*pinecone.Vector, len(records))
	for i, r := range records {
		metadata, err := structpb.NewStruct(r.fieldsOf(s.textField))
		if err != nil {
			return rejected(fmt.Errorf("metadata: %w", err))
		}
		vectors[i] = &pinecone.Vector{Id: r.ID, Values: &r.Vector, Metadata: metadata}
	}
	return tell(ctx, s.remote, func(ctx context.Context) error {
		_, err := s.index.UpsertVectors(ctx, vectors)
		return grpcError(ctx, err)
	})
}

// Delete implements [Writer].
func (s *pineconeStore) Delete(ctx context.Context, ids []string) error {
	return tell(ctx, s.remote, func(ctx context.Context) error {
		return grpcError(ctx, s.index.DeleteVectorsById(ctx, ids))
	})
}

// DeleteWhere implements [Writer].
func (s *pineconeStore) DeleteWhere(ctx context.Context, filter *Filter) error {
	if filter == nil {
		return errNoFilter
	}
	metadata, err := filter.pinecone()
	if err != nil {
		return rejected(err)
	}
	return tell(ctx, s.remote, func(ctx context.Context) error {
		return grpcError(ctx, s.index.DeleteVectorsByFilter(ctx, metadata))
	})
}

// Close implements [Store].
func (s *pineconeStore) Close() error { return s.index.Close() }

// pinecone is the filter in Pinecone's form; a nil filter is none.
func (f *Filter) pinecone() (*pinecone.MetadataFilter, error) {
	if f == nil {
		return nil, nil
	}
	return pinecone.NewMetadataFilter(f.dollars())
}

// dollars is the filter in MongoDB's form with its dollar signs, which Pinecone
// reads. Whether ne holds for a missing key Pinecone does not say, so that is
// asked for by itself.
func (f *Filter) dollars() map[string]any {
	switch f.Type {
	case FilterAnd, FilterOr:
		parts := make([]any, len(f.Filters))
		for i := range f.Filters {
			parts[i] = f.Filters[i].dollars()
		}
		return map[string]any{"$" + f.Type: parts}
	case FilterNotEqual, FilterNotIn:
		return map[string]any{"$or": []any{
			map[string]any{f.Key: map[string]any{"$" + f.Type: f.Value}},
			map[string]any{f.Key: map[string]any{"$exists": false}},
		}}
	}
	return map[string]any{f.Key: map[string]any{"$" + f.Type: f.Value}}
}
