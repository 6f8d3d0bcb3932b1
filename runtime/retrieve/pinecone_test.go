package retrieve

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"ragops.dev/ragservice/runtime/config"
)

// fakePinecone is written from Pinecone's published API: the protocol buffers of
// its client and its documentation of metadata filters. The client keeps its
// generated code to itself, so requests and replies go by way of JSON.
type fakePinecone struct {
	fakeIndex
	metric    string
	namespace string
}

type pineconeVector struct {
	ID       string         `json:"id"`
	Values   []float32      `json:"values,omitempty"`
	Score    float64        `json:"score,omitempty"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

type pineconeRequest struct {
	Namespace       string
	Vector          []float32
	TopK            int
	IncludeMetadata bool
	Filter          map[string]any
	Vectors         []pineconeVector
	IDs             []string
}

func (f *fakePinecone) call(method string, request pineconeRequest) (any, error) {
	if method != "DescribeIndexStats" && request.Namespace != f.namespace {
		return nil, status.Errorf(codes.NotFound, "Namespace %s not found", request.Namespace)
	}
	switch method {
	case "DescribeIndexStats":
		return map[string]any{"dimension": 4, "metric": f.metric}, nil
	case "Upsert":
		for _, v := range request.Vectors {
			if len(v.Values) != 4 {
				return nil, status.Errorf(codes.InvalidArgument, "Vector dimension %d does not match the dimension of the index 4", len(v.Values))
			}
			f.put(fakeRecord{id: v.ID, vector: v.Values, fields: v.Metadata})
		}
		return map[string]any{"upsertedCount": len(request.Vectors)}, nil
	case "Delete":
		f.remove(func(r fakeRecord) bool {
			return slices.Contains(request.IDs, r.id) || request.Filter != nil && pineconeMatches(request.Filter, r.fields)
		})
		return map[string]any{}, nil
	case "Query":
		matches := []pineconeVector{}
		for _, hit := range f.nearest(request.Vector, request.TopK, func(fields map[string]any) bool { return pineconeMatches(request.Filter, fields) }) {
			matches = append(matches, pineconeVector{ID: hit.id, Score: hit.cosine, Metadata: hit.fields})
		}
		return map[string]any{"matches": matches}, nil
	}
	return nil, status.Error(codes.Unimplemented, method)
}

// pineconeMatches is Pinecone's filter. That $ne leaves out records without the
// key is the less convenient of the two ways to read its documentation.
func pineconeMatches(filter, fields map[string]any) bool {
	for key, condition := range filter {
		parts, _ := condition.([]any)
		part := func(f any) bool { return pineconeMatches(f.(map[string]any), fields) }
		switch key {
		case "$and":
			if slices.ContainsFunc(parts, func(f any) bool { return !part(f) }) {
				return false
			}
		case "$or":
			if !slices.ContainsFunc(parts, part) {
				return false
			}
		default:
			for operator, want := range condition.(map[string]any) {
				if !pineconeCompares(operator, fields[key], want) {
					return false
				}
			}
		}
	}
	return true
}

func pineconeCompares(operator string, have, want any) bool {
	number := func(compare func(x, y float64) bool) bool {
		x, ok := have.(float64)
		return ok && compare(x, want.(float64))
	}
	equal := func(want any) bool { return anyOf(have, func(h any) bool { return h == want }) }
	switch operator {
	case "$eq":
		return equal(want)
	case "$ne":
		return have != nil && !equal(want)
	case "$in":
		return slices.ContainsFunc(want.([]any), equal)
	case "$nin":
		return have != nil && !slices.ContainsFunc(want.([]any), equal)
	case "$exists":
		return (have != nil) == want
	case "$gt":
		return number(func(x, y float64) bool { return x > y })
	case "$gte":
		return number(func(x, y float64) bool { return x >= y })
	case "$lt":
		return number(func(x, y float64) bool { return x < y })
	case "$lte":
		return number(func(x, y float64) bool { return x <= y })
	}
	return false
}

// serve answers any method of the VectorService.
func (f *fakePinecone) serve(_ any, stream grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	if key := strings.Join(md.Get("api-key"), ","); key != "key" {
		return status.Error(codes.Unauthenticated, "Invalid API Key")
	}
	full, _ := grpc.MethodFromServerStream(stream)
	name := full[strings.LastIndexByte(full, '/')+1:]
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName("VectorService")
	if err != nil {
		return err
	}
	method := descriptor.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(name))
	in := dynamicpb.NewMessage(method.Input())
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	data, err := protojson.Marshal(in)
	if err != nil {
		return err
	}
	var request pineconeRequest
	if err := json.Unmarshal(data, &request); err != nil {
		return err
	}
	reply, err := f.call(name, request)
	if err != nil {
		return err
	}
	data, err = json.Marshal(reply)
	if err != nil {
		return err
	}
	out := dynamicpb.NewMessage(method.Output())
	return errors.Join(protojson.Unmarshal(data, out), stream.SendMsg(out))
}

func mustOpenPinecone(t *testing.T, f *fakePinecone, key string) *pineconeStore {
	t.Helper()
	address := serveGRPC(t, func(*grpc.Server) {}, grpc.UnknownServiceHandler(f.serve))
	cfg := config.Pinecone{IndexHost: "http://" + address, Namespace: f.namespace, TextField: "text", APIKeyFile: secretFile(t, key)}
	store, err := openPinecone(cfg, testRemote("pinecone", 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestPineconeConforms(t *testing.T) {
	testConformance(t, fixture{open: func(t *testing.T) Store {
		return mustOpenPinecone(t, &fakePinecone{metric: "cosine", namespace: "docs"}, "key")
	}})
}

func TestPineconeRejects(t *testing.T) {
	tests := []struct {
		name   string
		metric string
		key    string
		want   string
	}{
		{name: "another metric", metric: "euclidean", key: "key", want: `pinecone: rejected: vectors are compared by "euclidean" there`},
		{name: "wrong key", metric: "cosine", key: "other", want: "pinecone: rejected: Invalid API Key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := mustOpenPinecone(t, &fakePinecone{metric: tt.metric, namespace: "docs"}, tt.key)
			_, err := store.Search(t.Context(), Query{Vector: question, TopK: 1})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
