// Command externals stands in for the services outside the cluster that a converted
// service asks and that cannot run here: OpenAI's chat completions, Text Embeddings
// Inference and an index of Pinecone. Their forms are those of the published APIs.
// The model answers with the prompt it was given, so that a test sees what went in.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/pinecone-io/go-pinecone/v5/pinecone" // registers the messages of Pinecone's API
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// dimensions of the vectors: those of all-MiniLM-L6-v2.
const dimensions = 384

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	httpAddress := flag.String("http", ":8080", "address of the model and the embedding")
	grpcAddress := flag.String("grpc", ":5081", "address of the index")
	apiKey := flag.String("api-key", "", "the key that the model and the index ask for")
	passage := flag.String("passage", "", "text of the one passage in the index")
	flag.Parse()
	if err := serve(ctx, *httpAddress, *grpcAddress, *apiKey, *passage); err != nil {
		fmt.Fprintln(os.Stderr, "externals:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, httpAddress, grpcAddress, apiKey, passage string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", grpcAddress)
	if err != nil {
		return err
	}
	index := grpc.NewServer(grpc.UnknownServiceHandler(pinecone{apiKey, passage}.serve))
	model := &http.Server{Addr: httpAddress, Handler: handler(apiKey), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 2)
	go func() { ended <- index.Serve(listener) }()
	go func() { ended <- model.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		index.Stop()
		return model.Close()
	}
}

func handler(apiKey string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+apiKey {
			http.Error(w, `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}`, http.StatusUnauthorized)
			return
		}
		var request struct {
			Messages []struct{ Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, `{"error":{"message":"We could not parse the JSON body of your request."}}`, http.StatusBadRequest)
			return
		}
		var prompt []string
		for _, message := range request.Messages {
			prompt = append(prompt, message.Content)
		}
		reply(w, map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion", "created": time.Now().Unix(), "model": "gpt-4o-mini",
			"usage": map[string]int{"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200},
			"choices": []any{map[string]any{
				"index": 0, "finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": strings.Join(prompt, "\n")},
			}},
		})
	})
	mux.HandleFunc("POST /embed", func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Inputs []string }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, `{"error":"no list of inputs","error_type":"Validation"}`, http.StatusUnprocessableEntity)
			return
		}
		vectors := make([][]float32, len(request.Inputs))
		for i := range vectors {
			vectors[i] = make([]float32, dimensions)
			vectors[i][0] = 1
		}
		reply(w, vectors)
	})
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	// A caller that has left needs no answer.
	_ = json.NewEncoder(w).Encode(body)
}

// pinecone is an index of one passage. The client keeps its generated code to
// itself, so replies go by way of JSON.
type pinecone struct{ apiKey, passage string }

func (p pinecone) serve(_ any, stream grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	if strings.Join(md.Get("api-key"), ",") != p.apiKey {
		return status.Error(codes.Unauthenticated, "Invalid API Key")
	}
	full, _ := grpc.MethodFromServerStream(stream)
	name := protoreflect.Name(full[strings.LastIndexByte(full, '/')+1:])
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName("VectorService")
	if err != nil {
		return err
	}
	method := descriptor.(protoreflect.ServiceDescriptor).Methods().ByName(name)
	body, known := map[protoreflect.Name]any{
		"DescribeIndexStats": map[string]any{"dimension": dimensions, "metric": "cosine"},
		"Query": map[string]any{"matches": []any{map[string]any{
			"id": "returns", "score": 0.9, "metadata": map[string]string{"text": p.passage, "source": "returns.md"},
		}}},
	}[name]
	if method == nil || !known {
		return status.Error(codes.Unimplemented, string(name))
	}
	if err := stream.RecvMsg(dynamicpb.NewMessage(method.Input())); err != nil {
		return err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	out := dynamicpb.NewMessage(method.Output())
	return errors.Join(protojson.Unmarshal(data, out), stream.SendMsg(out))
}
