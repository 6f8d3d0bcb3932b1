package embed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

const secret = "sk-not-for-anybody"

func TestMain(m *testing.M) {
	// Bedrock takes its credentials from the environment.
	os.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	os.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	goleak.VerifyTestMain(m)
}

// api is one provider's HTTP API, as far as it is published: what the fakes of
// this test speak. The real servers cannot be had here.
type api struct {
	name, upstream string
	// provider configures the provider for a server and a key file.
	provider func(url, keyFile string) config.Embedding
	// path and key that are wanted of a request; further fields of its body.
	path, key string
	fields    map[string]any
	// texts takes a request's body apart, answer puts a response together.
	texts  func(body map[string]any) []string
	answer func(vectors [][]float32) any
	batch  int
}

var apis = []api{openAIAPI, teiAPI, titanAPI, cohereAPI}

// openAIAPI is from the API reference of OpenAI, "Create embeddings". The
// vectors come in another order, which their index allows.
var openAIAPI = api{
	name: "openAI", upstream: "openai", batch: openAIBatch,
	path: "/v1/embeddings", key: "Bearer " + secret,
	fields: map[string]any{"model": "text-embedding-3-small", "dimensions": 3.0},
	provider: func(url, keyFile string) config.Embedding {
		return config.Embedding{OpenAI: &config.OpenAI{Model: "text-embedding-3-small", BaseURL: url + "/v1", APIKeyFile: keyFile}}
	},
	texts: func(body map[string]any) []string { return stringsOf(body, "input") },
	answer: func(vectors [][]float32) any {
		data := make([]any, len(vectors))
		for i, v := range vectors {
			data[len(data)-1-i] = map[string]any{"object": "embedding", "index": i, "embedding": v}
		}
		return map[string]any{
			"object": "list", "data": data, "model": "text-embedding-3-small",
			"usage": map[string]any{"prompt_tokens": 1, "total_tokens": 1},
		}
	},
}

// teiAPI is from the OpenAPI document of Text Embeddings Inference, POST /embed.
var teiAPI = api{
	name: "textEmbeddingsInference", upstream: "text-embeddings-inference", batch: teiBatch,
	path: "/embed", key: "Bearer " + secret, fields: map[string]any{"truncate": true, "normalize": true},
	provider: func(url, keyFile string) config.Embedding {
		return config.Embedding{TextEmbeddingsInference: &config.TextEmbeddingsInference{Endpoint: url + "/", Model: "m-1", APIKeyFile: keyFile}}
	},
	texts:  func(body map[string]any) []string { return stringsOf(body, "inputs") },
	answer: func(vectors [][]float32) any { return vectors },
}

// titanAPI is from the user guide of Amazon Bedrock, "Amazon Titan Text
// Embeddings V2".
var titanAPI = api{
	name: "titan", upstream: "bedrock", batch: 1,
	path: "/model/amazon.titan-embed-text-v2:0/invoke", key: "signed", fields: map[string]any{"dimensions": 3.0},
	provider: bedrockModel("amazon.titan-embed-text-v2:0"),
	texts:    func(body map[string]any) []string { return []string{body["inputText"].(string)} },
	answer: func(vectors [][]float32) any {
		return map[string]any{"embedding": vectors[0], "inputTextTokenCount": 1}
	},
}

// cohereAPI is from the user guide of Amazon Bedrock, "Cohere Embed v4".
var cohereAPI = api{
	name: "cohere", upstream: "bedrock", batch: 96,
	path: "/model/eu.cohere.embed-v4:0/invoke", key: "signed",
	fields:   map[string]any{"input_type": "search_query", "truncate": "RIGHT", "output_dimension": 3.0},
	provider: bedrockModel("eu.cohere.embed-v4:0"),
	texts:    func(body map[string]any) []string { return stringsOf(body, "texts") },
	answer: func(vectors [][]float32) any {
		return map[string]any{"id": "1", "response_type": "embeddings_by_type", "embeddings": map[string]any{"float": vectors}}
	},
}

func bedrockModel(model string) func(url, keyFile string) config.Embedding {
	return func(url, _ string) config.Embedding {
		return config.Embedding{Bedrock: &config.Bedrock{Model: model, Region: "eu-west-1", Endpoint: url}}
	}
}

func stringsOf(body map[string]any, key string) []string {
	var texts []string
	for _, text := range body[key].([]any) {
		texts = append(texts, text.(string))
	}
	return texts
}

// fake is a server that answers each request with the next step, the last one
// again and again. The vector of a text is its length three times.
type fake struct {
	api
	url   string
	steps []step

	mu     sync.Mutex
	bodies []map[string]any
	paths  []string
	keys   []string
}

type step func(a api, w http.ResponseWriter, r *http.Request, texts []string)

func newFake(t *testing.T, a api, steps ...step) *fake {
	t.Helper()
	f := &fake{api: a, steps: steps}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body) // to its end: only then does the server notice that a client is gone
		if err != nil {
			t.Error(err)
		}
		var body map[string]any
		if err := json.Unmarshal(data, &body); err != nil {
			t.Errorf("the request is no JSON: %v", err)
		}
		key := r.Header.Get("Authorization")
		if strings.Contains(key, "Credential=AKIDEXAMPLE/") {
			key = "signed"
		}
		f.mu.Lock()
		f.bodies, f.paths, f.keys = append(f.bodies, body), append(f.paths, r.URL.Path), append(f.keys, key)
		next := f.steps[min(len(f.bodies), len(f.steps))-1]
		f.mu.Unlock()
		next(a, w, r, a.texts(body))
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.bodies)
}

func (f *fake) embedder(t *testing.T, dimensions int) Embedder {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := f.provider(f.url, file)
	cfg.Dimensions, cfg.Timeout = dimensions, 5*time.Second
	e, err := New(cfg, new(upstream.Registry))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// vectorsOf are what a fake answers, with that many dimensions.
func vectorsOf(texts []string, dimensions int) [][]float32 {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = slices.Repeat([]float32{float32(len(text))}, dimensions)
	}
	return vectors
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the caller sees what is missing
}

// The steps of the tests.
func answers(dimensions int) step {
	return func(a api, w http.ResponseWriter, _ *http.Request, texts []string) {
		reply(w, a.answer(vectorsOf(texts, dimensions)))
	}
}

func twoFor(texts ...string) step {
	return func(a api, w http.ResponseWriter, _ *http.Request, _ []string) {
		reply(w, a.answer(vectorsOf(texts, 3)))
	}
}

func status(code int, retryAfter string) step {
	return func(_ api, w http.ResponseWriter, _ *http.Request, _ []string) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(code)
		fmt.Fprint(w, `{"error":{"message":"the key `+secret+` is wrong"},"message":"`+secret+`"}`)
	}
}

func garbage(body string) step {
	return func(_ api, w http.ResponseWriter, _ *http.Request, _ []string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}
}

func TestProviders(t *testing.T) {
	tests := []struct {
		name       string
		steps      []step
		dimensions int
		wantKind   upstream.Kind // empty for an answer
		wantErr    string
		wantCalls  int
	}{
		{name: "answer", steps: []step{answers(3)}, dimensions: 3, wantCalls: 1},
		{name: "500, then the answer", steps: []step{status(500, ""), answers(3)}, wantCalls: 2},
		{name: "429 with Retry-After, then the answer", steps: []step{status(429, "0.2"), answers(3)}, wantCalls: 2},
		{name: "429 that takes too long", steps: []step{status(429, "60")}, wantKind: upstream.KindRateLimited, wantCalls: 1},
		{name: "wrong key", steps: []step{status(401, "")}, wantKind: upstream.KindRejected, wantErr: "the key or its permissions are wrong", wantCalls: 1},
		{name: "garbage", steps: []step{garbage("{{{")}, wantKind: upstream.KindInvalidResponse, wantCalls: 3},
		{name: "no vectors", steps: []step{garbage("{}")}, wantKind: upstream.KindInvalidResponse, wantCalls: 3},
		{name: "an empty vector", steps: []step{answers(0)}, wantKind: upstream.KindInvalidResponse, wantCalls: 3},
		{
			name: "other dimensions than configured", steps: []step{answers(4)}, dimensions: 3, wantKind: upstream.KindRejected, wantCalls: 1,
			wantErr: "the model's vectors have 4 dimensions, and 3 are configured: set embedding.dimensions to 4",
		},
	}
	for _, a := range apis {
		for _, tt := range tests {
			t.Run(a.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				f := newFake(t, a, tt.steps...)
				e := f.embedder(t, tt.dimensions)
				got, err := e.Embed(t.Context(), []string{"four"})
				if n := f.calls(); n != tt.wantCalls {
					t.Errorf("%d calls, want %d", n, tt.wantCalls)
				}
				if tt.wantKind == "" {
					if diff := cmp.Diff(vectorsOf([]string{"four"}, 3), got); diff != "" || err != nil {
						t.Errorf("error %v, (-want +got):\n%s", err, diff)
					}
					return
				}
				failure, ok := errors.AsType[*upstream.Error](err)
				if !ok || failure.Kind != tt.wantKind || failure.Upstream != a.upstream || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("got %v, want an error of %s of kind %s with %q", err, a.upstream, tt.wantKind, tt.wantErr)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds the secret: %v", err)
				}
			})
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	for _, a := range apis {
		t.Run(a.name, func(t *testing.T) {
			f := newFake(t, a, answers(3))
			if _, err := f.embedder(t, 3).Embed(t.Context(), []string{"What?"}); err != nil {
				t.Fatal(err)
			}
			if f.paths[0] != a.path || f.keys[0] != a.key {
				t.Errorf("asked %s with the key %q, want %s with %q", f.paths[0], f.keys[0], a.path, a.key)
			}
			for field, want := range a.fields {
				if diff := cmp.Diff(want, f.bodies[0][field]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", field, diff)
				}
			}
		})
	}
}

func TestBatches(t *testing.T) {
	for _, a := range apis {
		t.Run(a.name, func(t *testing.T) {
			f := newFake(t, a, answers(3))
			var texts []string
			for i := range a.batch*2 + 1 {
				texts = append(texts, strings.Repeat("x", i+1))
			}
			got, err := f.embedder(t, 0).Embed(t.Context(), texts)
			if diff := cmp.Diff(vectorsOf(texts, 3), got); diff != "" || err != nil {
				t.Errorf("error %v, (-want +got):\n%s", err, diff)
			}
			if n := f.calls(); n != 3 {
				t.Errorf("%d calls, want 3 of at most %d texts", n, a.batch)
			}
		})
	}
}

func TestOneBatchFails(t *testing.T) {
	f := newFake(t, titanAPI, answers(3), status(400, ""))
	vectors, err := f.embedder(t, 0).Embed(t.Context(), []string{"a", "b", "c"})
	if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.KindRejected || vectors != nil {
		t.Errorf("got %v, %v, want no vectors and the error of the batch", vectors, err)
	}
}

func TestWrongCount(t *testing.T) {
	for _, a := range []api{openAIAPI, teiAPI, cohereAPI} {
		for _, returned := range [][]string{{"a"}, {"a", "b", "c"}} {
			f := newFake(t, a, twoFor(returned...))
			_, err := f.embedder(t, 0).Embed(t.Context(), []string{"a", "b"})
			if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.KindInvalidResponse {
				t.Errorf("%s with %d vectors for 2 texts: got %v, want an invalid response", a.name, len(returned), err)
			}
		}
	}
}

func TestDimensions(t *testing.T) {
	f := newFake(t, teiAPI, answers(3), answers(4))
	e := Cached(f.embedder(t, 0), 9)
	if got := Dimensions(e); got != 0 {
		t.Errorf("before the first vector: %d, want 0", got)
	}
	if _, err := e.Embed(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	_, err := e.Embed(t.Context(), []string{"b"})
	want := &DimensionError{Configured: 3, Actual: 4}
	if got, _ := errors.AsType[*DimensionError](err); !cmp.Equal(got, want) {
		t.Errorf("when the model changed: got %v, want %v", err, want)
	}
	if got := Dimensions(e); got != 4 {
		t.Errorf("got %d, want those of the newest vector, 4", got)
	}
}

func TestDocuments(t *testing.T) {
	f := newFake(t, cohereAPI, answers(3))
	questions := Cached(f.embedder(t, 0), 9)
	for _, e := range []Embedder{questions, Documents(questions), Documents(NewLexical(3))} {
		if _, err := e.Embed(t.Context(), []string{"a"}); err != nil {
			t.Fatal(err)
		}
	}
	var got []any
	for _, body := range f.bodies {
		got = append(got, body["input_type"])
	}
	if diff := cmp.Diff([]any{"search_query", "search_document"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	for _, a := range apis {
		for _, cancels := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/cancel=%v", a.name, cancels), func(t *testing.T) {
				t.Parallel()
				gone := make(chan struct{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if cancels {
					ctx, cancel = context.WithCancel(t.Context())
				}
				defer cancel()
				f := newFake(t, a, func(_ api, _ http.ResponseWriter, r *http.Request, _ []string) {
					if cancels {
						cancel()
					}
					<-r.Context().Done()
					close(gone)
				})
				_, err := f.embedder(t, 0).Embed(ctx, []string{"a"})
				e, _ := errors.AsType[*upstream.Error](err)
				if cancels && !errors.Is(err, context.Canceled) || !cancels && (e == nil || e.Kind != upstream.KindTimeout) {
					t.Errorf("got %v", err)
				}
				select {
				case <-gone:
				case <-time.After(5 * time.Second):
					t.Error("the upstream was not cancelled")
				}
			})
		}
	}
}

func TestNewErrors(t *testing.T) {
	tests := []struct {
		name string
		cfg  config.Embedding
		want string
	}{
		{name: "no key file", cfg: teiAPI.provider("http://localhost", "/does/not/exist"), want: "embedding.textEmbeddingsInference.apiKeyFile"},
		{name: "no key file for OpenAI", cfg: openAIAPI.provider("http://localhost", "/does/not/exist"), want: "embedding.openAI.apiKeyFile"},
		{name: "a model of another maker", cfg: bedrockModel("meta.llama")("", ""), want: `embedding.bedrock.model: is "meta.llama", and must be one of`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.cfg, new(upstream.Registry)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
