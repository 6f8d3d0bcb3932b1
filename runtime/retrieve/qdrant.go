package retrieve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// qdrantStore searches a collection of Qdrant over gRPC. The text is a field of
// the payload.
type qdrantStore struct {
	remote
	client                *qdrant.Client
	collection, textField string
	known                 knownCollection
}

var _ Writer = (*qdrantStore)(nil)

func openQdrant(cfg config.Qdrant, r remote) (*qdrantStore, error) {
	host, port, useTLS, err := qdrantAddress(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	secret, err := grpcSecret("api-key", cfg.APIKeyFile)
	if err != nil {
		return nil, err
	}
	clientConfig := &qdrant.Config{
		Host: host, Port: port, UseTLS: useTLS,
		// The check would ask the server now, and only warn.
		SkipCompatibilityCheck: true,
	}
	clientConfig.GrpcOptions = append(clientConfig.GrpcOptions, secret)
	client, err := qdrant.NewClient(clientConfig)
	if err != nil {
		return nil, fmt.Errorf("qdrant: %w", err)
	}
	s := &qdrantStore{remote: r, client: client, collection: cfg.Collection, textField: cfg.TextField}
	s.known.read = s.readCollection
	return s, nil
}

// Connect opens a connection to the server ahead of the first search; gRPC does so
// on its own time.
func (s *qdrantStore) Connect(context.Context) error {
	s.client.GetConnection().Connect()
	return nil
}

// qdrantAddress takes host:port, with http:// or https:// ahead of it.
func qdrantAddress(endpoint string) (host string, port int, useTLS bool, err error) {
	address := endpoint
	if scheme, rest, ok := strings.Cut(endpoint, "://"); ok {
		u, parseErr := url.Parse(endpoint)
		if parseErr != nil || scheme != "http" && scheme != "https" || strings.Trim(u.Path, "/") != "" {
			return "", 0, false, errors.New("qdrant.endpoint: must be host:port, with https:// ahead of it for TLS")
		}
		address, useTLS = strings.TrimRight(rest, "/"), scheme == "https"
	}
	host, digits, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(digits)
	}
	if err != nil || host == "" || port < 1 || port > 65535 {
		return "", 0, false, errors.New("qdrant.endpoint: must be host:port, such as qdrant:6334, with https:// ahead of it for TLS")
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // the client joins host and port by a colon
	}
	return host, port, useTLS, nil
}

// readCollection asks for the collection's parameters.
func (s *qdrantStore) readCollection(ctx context.Context) (collection, error) {
	info, err := s.client.GetCollectionInfo(ctx, s.collection)
	if err != nil {
		return collection{}, qdrantError(ctx, err)
	}
	vectors := info.GetConfig().GetParams().GetVectorsConfig()
	params, name := vectors.GetParams(), ""
	if named := vectors.GetParamsMap().GetMap(); params == nil {
		if len(named) != 1 {
			return collection{}, rejected(fmt.Errorf("the collection has %d named vectors, and must have one", len(named)))
		}
		for name, params = range named {
		}
	}
	c := collection{dimensions: int(params.GetSize()), vector: name}
	switch params.GetDistance() {
	case qdrant.Distance_Cosine:
		c.metric = metricCosine
	case qdrant.Distance_Dot:
		c.metric = metricDot
	default:
		c.metric = metric(params.GetDistance().String())
	}
	return c, nil
}

// Search implements [Store].
func (s *qdrantStore) Search(ctx context.Context, query Query) ([]Passage, error) {
	return ask(ctx, s.remote, func(ctx context.Context) ([]Passage, error) {
		c, err := s.known.of(ctx, len(query.Vector), nil)
		if err != nil {
			return nil, err
		}
		request := &qdrant.QueryPoints{
			CollectionName: s.collection,
			Query:          qdrant.NewQueryDense(query.unitVector(c)),
			Limit:          new(uint64(query.TopK)),
			WithPayload:    qdrant.NewWithPayload(true),
			Filter:         query.Filter.qdrant(),
		}
		if c.vector != "" {
			request.Using = &c.vector
		}
		points, err := s.client.Query(ctx, request)
		if err != nil {
			return nil, qdrantError(ctx, err)
		}
		matches := make([]match, len(points))
		for i, p := range points {
			matches[i] = match{id: qdrantID(p.GetId()), score: float64(p.GetScore()), fields: qdrantFields(p.GetPayload())}
		}
		return passages(matches, s.textField, query)
	})
}

// Upsert implements [Writer].
func (s *qdrantStore) Upsert(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	return tell(ctx, s.remote, func(ctx context.Context) error {
		c, err := s.known.of(ctx, len(records[0].Vector), nil)
		if err != nil {
			return err
		}
		points := make([]*qdrant.PointStruct, len(records))
		for i, r := range records {
			payload, err := qdrant.TryValueMap(r.fieldsOf(s.textField))
			if err != nil {
				return rejected(fmt.Errorf("metadata: %w", err))
			}
			vectors := qdrant.NewVectorsDense(r.Vector)
			if c.vector != "" {
				vectors = qdrant.NewVectorsMap(map[string]*qdrant.Vector{c.vector: qdrant.NewVectorDense(r.Vector)})
			}
			points[i] = &qdrant.PointStruct{Id: qdrant.NewIDUUID(r.ID), Vectors: vectors, Payload: payload}
		}
		_, err = s.client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: s.collection, Points: points, Wait: new(true)})
		return qdrantError(ctx, err)
	})
}

// Delete implements [Writer].
func (s *qdrantStore) Delete(ctx context.Context, ids []string) error {
	points := make([]*qdrant.PointId, len(ids))
	for i, id := range ids {
		points[i] = qdrant.NewIDUUID(id)
	}
	return s.delete(ctx, qdrant.NewPointsSelectorIDs(points))
}

// DeleteWhere implements [Writer].
func (s *qdrantStore) DeleteWhere(ctx context.Context, filter *Filter) error {
	if filter == nil {
		return errNoFilter
	}
	return s.delete(ctx, qdrant.NewPointsSelectorFilter(filter.qdrant()))
}

func (s *qdrantStore) delete(ctx context.Context, points *qdrant.PointsSelector) error {
	return tell(ctx, s.remote, func(ctx context.Context) error {
		_, err := s.client.Delete(ctx, &qdrant.DeletePoints{CollectionName: s.collection, Points: points, Wait: new(true)})
		return qdrantError(ctx, err)
	})
}

// Close implements [Store].
func (s *qdrantStore) Close() error { return s.client.Close() }

// qdrantError also reads how long Qdrant asks to be left alone.
func qdrantError(ctx context.Context, err error) error {
	if limited, ok := errors.AsType[*qdrant.QdrantResourceExhaustedError](err); ok {
		return &upstream.Error{
			Kind: upstream.KindRateLimited, RetryAfter: time.Duration(limited.RetryAfterS) * time.Second, Err: errors.New(limited.Reason),
		}
	}
	return grpcError(ctx, err)
}

func qdrantID(id *qdrant.PointId) string {
	if uuid := id.GetUuid(); uuid != "" {
		return uuid
	}
	return strconv.FormatUint(id.GetNum(), 10)
}

func qdrantFields(payload map[string]*qdrant.Value) map[string]any {
	fields := make(map[string]any, len(payload))
	for key, value := range payload {
		fields[key] = qdrantValue(value)
	}
	return fields
}

// qdrantValue is a value as JSON would have it.
func qdrantValue(value *qdrant.Value) any {
	switch v := value.GetKind().(type) {
	case *qdrant.Value_StringValue:
		return v.StringValue
	case *qdrant.Value_DoubleValue:
		return v.DoubleValue
	case *qdrant.Value_IntegerValue:
		return float64(v.IntegerValue)
	case *qdrant.Value_BoolValue:
		return v.BoolValue
	case *qdrant.Value_ListValue:
		list := make([]any, len(v.ListValue.GetValues()))
		for i, element := range v.ListValue.GetValues() {
			list[i] = qdrantValue(element)
		}
		return list
	case *qdrant.Value_StructValue:
		return qdrantFields(v.StructValue.GetFields())
	}
	return nil
}

// qdrant is the filter in Qdrant's form; a nil filter is none.
func (f *Filter) qdrant() *qdrant.Filter {
	if f == nil {
		return nil
	}
	switch f.Type {
	case FilterAnd, FilterOr:
		parts := make([]*qdrant.Condition, len(f.Filters))
		for i := range f.Filters {
			parts[i] = qdrant.NewFilterAsCondition(f.Filters[i].qdrant())
		}
		if f.Type == FilterOr {
			return &qdrant.Filter{Should: parts}
		}
		return &qdrant.Filter{Must: parts}
	case FilterEqual:
		return &qdrant.Filter{Must: []*qdrant.Condition{qdrantEqual(f.Key, f.Value)}}
	case FilterNotEqual:
		return &qdrant.Filter{MustNot: []*qdrant.Condition{qdrantEqual(f.Key, f.Value)}}
	case FilterIn, FilterNotIn:
		list, _ := f.Value.([]any)
		parts := make([]*qdrant.Condition, len(list))
		for i, value := range list {
			parts[i] = qdrantEqual(f.Key, value)
		}
		if f.Type == FilterNotIn {
			return &qdrant.Filter{MustNot: parts}
		}
		return &qdrant.Filter{Should: parts}
	}
	value, _ := f.Value.(float64)
	var r qdrant.Range
	switch f.Type {
	case FilterGreater:
		r.Gt = &value
	case FilterGreaterOrEqual:
		r.Gte = &value
	case FilterLess:
		r.Lt = &value
	case FilterLessOrEqual:
		r.Lte = &value
	}
	return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange(f.Key, &r)}}
}

// qdrantEqual compares numbers by a range from and to the value: Qdrant matches
// integers only, and a range holds for both kinds of numbers.
func qdrantEqual(key string, value any) *qdrant.Condition {
	switch v := value.(type) {
	case float64:
		return qdrant.NewRange(key, &qdrant.Range{Gte: &v, Lte: &v})
	case bool:
		return qdrant.NewMatchBool(key, v)
	}
	text, _ := value.(string)
	return qdrant.NewMatchKeyword(key, text)
}
