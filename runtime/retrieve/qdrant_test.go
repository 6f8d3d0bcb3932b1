package retrieve

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"ragops.dev/ragservice/runtime/config"
)

// fakeQdrant is written from Qdrant's published gRPC API: the protocol buffers in
// its client and its documentation of filtering.
type fakeQdrant struct {
	qdrant.UnimplementedPointsServer
	fakeIndex
	distance qdrant.Distance
	// vector is the name of the vectors; empty where they have none.
	vector string
	apiKey string
}

// fakeQdrantCollections is the part of it that tells of collections.
type fakeQdrantCollections struct {
	qdrant.UnimplementedCollectionsServer
	points *fakeQdrant
}

func startQdrant(t *testing.T, f *fakeQdrant) (address string) {
	t.Helper()
	return serveGRPC(t, func(server *grpc.Server) {
		qdrant.RegisterPointsServer(server, f)
		qdrant.RegisterCollectionsServer(server, fakeQdrantCollections{points: f})
	})
}

// serveGRPC runs a server until the test ends.
func serveGRPC(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

func (f *fakeQdrant) authorize(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := strings.Join(md.Get("api-key"), ","); got != f.apiKey {
		return status.Error(codes.Unauthenticated, "Invalid API key or JWT")
	}
	return nil
}

func (f fakeQdrantCollections) Get(ctx context.Context, request *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	if err := f.points.authorize(ctx); err != nil {
		return nil, err
	}
	if request.CollectionName != "passages" {
		return nil, status.Error(codes.NotFound, "Not found: Collection `"+request.CollectionName+"` doesn't exist!")
	}
	params := &qdrant.VectorParams{Size: 4, Distance: f.points.distance}
	vectors := qdrant.NewVectorsConfig(params)
	if f.points.vector != "" {
		vectors = qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{f.points.vector: params})
	}
	return &qdrant.GetCollectionInfoResponse{Result: &qdrant.CollectionInfo{
		Config: &qdrant.CollectionConfig{Params: &qdrant.CollectionParams{VectorsConfig: vectors}},
	}}, nil
}

func (f *fakeQdrant) Upsert(_ context.Context, request *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	for _, p := range request.Points {
		vector := p.Vectors.GetVector()
		if f.vector != "" {
			vector = p.Vectors.GetVectors().GetVectors()[f.vector]
		}
		data := vector.GetDense().GetData()
		if len(data) != 4 {
			return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Vector dimension error: expected dim: 4, got %d", len(data))
		}
		f.put(fakeRecord{id: p.Id.GetUuid(), vector: data, fields: qdrantFields(p.Payload)})
	}
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{}}, nil
}

func (f *fakeQdrant) Delete(_ context.Context, request *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	f.remove(func(r fakeRecord) bool {
		if filter := request.Points.GetFilter(); filter != nil {
			return qdrantMatches(filter, r.fields)
		}
		return slices.ContainsFunc(request.Points.GetPoints().GetIds(), func(id *qdrant.PointId) bool { return id.GetUuid() == r.id })
	})
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{}}, nil
}

func (f *fakeQdrant) Query(_ context.Context, request *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	if request.GetUsing() != f.vector {
		return nil, status.Errorf(codes.InvalidArgument, "Wrong input: Not existing vector name error: %s", request.GetUsing())
	}
	vector := request.GetQuery().GetNearest().GetDense().GetData()
	response := &qdrant.QueryResponse{}
	for _, hit := range f.nearest(vector, int(request.GetLimit()), func(fields map[string]any) bool { return qdrantMatches(request.Filter, fields) }) {
		score := hit.cosine
		if f.distance == qdrant.Distance_Dot { // what it holds is of unit length
			score *= length(vector)
		}
		point := &qdrant.ScoredPoint{Id: qdrant.NewIDUUID(hit.id), Score: float32(score)}
		if request.WithPayload.GetEnable() {
			point.Payload = qdrant.NewValueMap(hit.fields)
		}
		response.Result = append(response.Result, point)
	}
	return response, nil
}

// qdrantMatches is Qdrant's filter: all of must, at least one of should, none of
// must_not.
func qdrantMatches(filter *qdrant.Filter, fields map[string]any) bool {
	meets := func(c *qdrant.Condition) bool {
		if nested := c.GetFilter(); nested != nil {
			return qdrantMatches(nested, fields)
		}
		field := c.GetField()
		return anyOf(fields[field.GetKey()], func(value any) bool { return qdrantFieldMatches(field, value) })
	}
	not := func(c *qdrant.Condition) bool { return !meets(c) }
	return !slices.ContainsFunc(filter.GetMust(), not) &&
		(len(filter.GetShould()) == 0 || slices.ContainsFunc(filter.GetShould(), meets)) &&
		!slices.ContainsFunc(filter.GetMustNot(), meets)
}

func qdrantFieldMatches(field *qdrant.FieldCondition, value any) bool {
	if r := field.GetRange(); r != nil {
		x, ok := value.(float64)
		return ok && (r.Gt == nil || x > *r.Gt) && (r.Gte == nil || x >= *r.Gte) && (r.Lt == nil || x < *r.Lt) && (r.Lte == nil || x <= *r.Lte)
	}
	switch m := field.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return value == m.Keyword
	case *qdrant.Match_Boolean:
		return value == m.Boolean
	}
	return false
}

func TestQdrantConforms(t *testing.T) {
	tests := []struct {
		name, vector string
		distance     qdrant.Distance
	}{
		{name: "cosine", distance: qdrant.Distance_Cosine},
		{name: "inner product", distance: qdrant.Distance_Dot},
		{name: "named vectors", distance: qdrant.Distance_Cosine, vector: "text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			testConformance(t, fixture{open: func(t *testing.T) Store {
				return mustOpenQdrant(t, &fakeQdrant{distance: tt.distance, vector: tt.vector, apiKey: "key"}, "passages")
			}})
		})
	}
}

func mustOpenQdrant(t *testing.T, f *fakeQdrant, collection string) *qdrantStore {
	t.Helper()
	cfg := config.Qdrant{Endpoint: startQdrant(t, f), Collection: collection, TextField: "text", APIKeyFile: secretFile(t, "key\n")}
	store, err := openQdrant(cfg, testRemote("qdrant", 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestQdrantRejects(t *testing.T) {
	tests := []struct {
		name       string
		server     *fakeQdrant
		collection string
		want       string
	}{
		{name: "another distance", server: &fakeQdrant{distance: qdrant.Distance_Euclid, apiKey: "key"}, collection: "passages", want: `qdrant: rejected: vectors are compared by "Euclid" there`},
		{name: "no such collection", server: &fakeQdrant{distance: qdrant.Distance_Cosine, apiKey: "key"}, collection: "none", want: "qdrant: rejected: Not found: Collection `none` doesn't exist!"},
		{name: "wrong key", server: &fakeQdrant{distance: qdrant.Distance_Cosine, apiKey: "other"}, collection: "passages", want: "qdrant: rejected: Invalid API key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mustOpenQdrant(t, tt.server, tt.collection).Search(t.Context(), Query{Vector: question, TopK: 1})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestQdrantAddress(t *testing.T) {
	tests := []struct {
		endpoint, host string
		port           int
		tls, wantErr   bool
	}{
		{endpoint: "qdrant:6334", host: "qdrant", port: 6334},
		{endpoint: "http://qdrant:6334", host: "qdrant", port: 6334},
		{endpoint: "https://x.cloud.qdrant.io:6334/", host: "x.cloud.qdrant.io", port: 6334, tls: true},
		{endpoint: "[::1]:6334", host: "[::1]", port: 6334},
		{endpoint: "qdrant", wantErr: true},
		{endpoint: "qdrant:port", wantErr: true},
		{endpoint: "qdrant:99999", wantErr: true},
		{endpoint: ":6334", wantErr: true},
		{endpoint: "grpc://qdrant:6334", wantErr: true},
		{endpoint: "https://qdrant:6334/path", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.endpoint, func(t *testing.T) {
			host, port, useTLS, err := qdrantAddress(tt.endpoint)
			if host != tt.host || port != tt.port || useTLS != tt.tls || (err != nil) != tt.wantErr {
				t.Errorf("got %q, %d, %v, %v", host, port, useTLS, err)
			}
		})
	}
}
