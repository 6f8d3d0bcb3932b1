package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/upstream"
)

// TestOpenAPIHasEveryField compares the schemas with the types that are decoded
// and encoded, field by field.
func TestOpenAPIHasEveryField(t *testing.T) {
	d := readDescription(t)
	tests := []struct {
		schema  []string
		of      any
		without []string // fields that are decoded to be refused, or are another form's
	}{
		{schema: []string{"Query"}, of: legacyRequest{}},
		{schema: []string{"Answer"}, of: legacyResponse{}},
		{schema: []string{"Cache"}, of: cacheOptions{}},
		{schema: []string{"Passage"}, of: retrieve.Passage{}},
		{schema: []string{"Filter"}, of: retrieve.Filter{}},
		{schema: []string{"ChatRequest"}, of: chatRequest{}, without: []string{"n", "tools", "functions", "stop", "logprobs", "response_format"}},
		{schema: []string{"ChatCompletion"}, of: completion{}},
		{schema: []string{"ChatChunk"}, of: completion{}},
		{schema: []string{"ChatCompletion", "properties", "choices", "items"}, of: choice{}, without: []string{"delta"}},
		{schema: []string{"ChatChunk", "properties", "choices", "items"}, of: choice{}, without: []string{"message"}},
		{schema: []string{"Usage"}, of: chatUsage{}},
		{schema: []string{"Retrieve"}, of: retrieveRequest{}},
		{schema: []string{"Passages"}, of: retrieveResponse{}},
		{schema: []string{"Invalidate"}, of: invalidateRequest{}},
		{schema: []string{"Invalidated"}, of: invalidateResponse{}},
		{schema: []string{"FAQPut"}, of: faqResponse{}},
		{schema: []string{"Documents"}, of: documentsRequest{}},
		{schema: []string{"Documents", "properties", "documents", "items"}, of: document{}},
		{schema: []string{"Written"}, of: documentsResponse{}},
	}
	for _, tt := range tests {
		name := strings.Join(tt.schema, "/")
		schema, _ := d.at(t, append([]string{"components", "schemas"}, tt.schema...)...)
		described := slices.Sorted(maps.Keys(schema["properties"].(map[string]any)))
		coded := slices.DeleteFunc(jsonFields(reflect.TypeOf(tt.of)), func(f string) bool { return slices.Contains(tt.without, f) })
		slices.Sort(coded)
		if diff := cmp.Diff(coded, described); diff != "" {
			t.Errorf("%s (-Go type +document):\n%s", name, diff)
		}
	}
}

// jsonFields are the names by which a type's fields are encoded.
func jsonFields(typ reflect.Type) []string {
	var names []string
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case f.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			names = append(names, jsonFields(embedded)...)
		case name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}

// samples are requests that every operation takes.
var samples = map[string]struct{ path, body string }{
	"POST /query":               {"/query", `{"query": "a"}`},
	"GET /health":               {"/health", ""},
	"GET /openapi.yaml":         {"/openapi.yaml", ""},
	"POST /v1/chat/completions": {"/v1/chat/completions", hello + "}"},
	"POST /v1/retrieve":         {"/v1/retrieve", `{"query": "a"}`},
	"GET /v1/models":            {"/v1/models", ""},
	"GET /v1/models/{model}":    {"/v1/models/extractive", ""},
	"POST /v1/cache/invalidate": {"/v1/cache/invalidate", `{"all": true}`},
	"PUT /v1/faq":               {"/v1/faq", `[{"question": "a", "answer": "b"}]`},
	"POST /v1/documents":        {"/v1/documents", `{"documents": [{"id": "a", "text": "b"}]}`},
	"DELETE /v1/documents":      {"/v1/documents?id=a", ""},
}

// TestOpenAPIHasEveryFailure makes every operation fail in every way and looks
// the status up in the document, with the headers and the body that it promises.
func TestOpenAPIHasEveryFailure(t *testing.T) {
	d := readDescription(t)
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, keys, "- {key: key-of-the-operators-1, manage: true}\n- {key: key-of-jane-in-support, user: jane}\n")
	always := func(err error) parts {
		return parts{store: writable{shelf{err}}}
	}
	model := func(err error) parts {
		return parts{model: func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
			return generate.Completion{}, err
		}}
	}
	away := &upstream.Error{Upstream: "qdrant", Kind: upstream.KindUnavailable}
	tests := []struct {
		name        string
		parts       parts
		key         string
		contentType string
		change      func(path, body string) (string, string)
		want        []int // statuses that must be among those seen
	}{
		{name: "well", want: []int{200}},
		{name: "without a key", key: "-", want: []int{401}},
		{name: "with a key that may not manage", key: "key-of-jane-in-support", want: []int{403}},
		{name: "as somebody else", key: "key-of-jane-in-support", want: []int{403}, change: func(path, body string) (string, string) {
			return path, strings.NewReplacer(`{"query": "a"}`, `{"query": "a", "user_id": "joe"}`, hello, hello+`, "user": "joe"`).Replace(body)
		}},
		{name: "too often", parts: parts{perMinute: 1}, want: []int{429}},
		{name: "another content type", contentType: "image/png", want: []int{415}},
		{name: "not JSON", want: []int{400}, change: func(path, _ string) (string, string) { return path, "{" }},
		{name: "nothing named", want: []int{400, 404}, change: func(path, body string) (string, string) {
			return strings.NewReplacer("?id=a", "", "/extractive", "/other").Replace(path), body
		}},
		{name: "too long", want: []int{413}, change: func(path, body string) (string, string) {
			return path, body + strings.Repeat(" ", maxDocumentsBody)
		}},
		{name: "the cache and the store take nothing", parts: parts{store: shelf{}}, want: []int{404, 409}},
		{name: "the store is away", parts: always(away), want: []int{503}},
		{name: "the store has a bug", parts: parts{store: writable{panics{}}}, want: []int{500}},
		{name: "the model is away", parts: model(&upstream.Error{Upstream: "openai", Kind: upstream.KindUnavailable}), want: []int{502}},
		{name: "the model is slow", parts: model(&upstream.Error{Upstream: "openai", Kind: upstream.KindTimeout}), want: []int{504}},
		{name: "a bug", parts: model(nil), want: []int{500}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.parts
			if p.store == nil {
				p.store = writable{shelf{}}
			}
			if tt.name == "a bug" {
				p.model = func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
					panic("a bug")
				}
			}
			p.access = &config.Access{APIKeys: &config.APIKeys{File: keys}}
			r := serveParts(t, p)
			if p.perMinute > 0 { // the one request is used up
				r.do(t, http.MethodGet, r.url+"/v1/models", "", "Authorization", "Bearer key-of-the-operators-1")
			}
			seen := map[int]bool{}
			for operation, sample := range samples {
				path, body := sample.path, sample.body
				if tt.change != nil {
					path, body = tt.change(path, body)
				}
				method, _, _ := strings.Cut(operation, " ")
				var header []string
				if tt.key != "-" {
					key := tt.key
					if key == "" {
						key = "key-of-the-operators-1"
					}
					header = append(header, "Authorization", "Bearer "+key)
				}
				if tt.contentType != "" {
					header = append(header, "Content-Type", tt.contentType)
				}
				got := r.do(t, method, r.url+path, body, header...)
				seen[got.status] = true
				d.checkResponse(t, operation, got)
			}
			for _, status := range tt.want {
				if !seen[status] {
					t.Errorf("no operation answered with %d: the test shows nothing", status)
				}
			}
		})
	}
}

// checkResponse holds a response to what the document says of its operation and
// status.
func (d description) checkResponse(t *testing.T, operation string, got response) {
	t.Helper()
	method, path, _ := strings.Cut(operation, " ")
	responses, _ := d.at(t, "paths", path, strings.ToLower(method), "responses")
	if responses[fmt.Sprint(got.status)] == nil {
		t.Errorf("%s: the document has no status %d: %s", operation, got.status, got.body)
		return
	}
	keys := []string{"paths", path, strings.ToLower(method), "responses", fmt.Sprint(got.status)}
	described, _ := d.at(t, keys...)
	headers, _ := described["headers"].(map[string]any)
	for name := range headers {
		if name != "Age" && got.header.Get(name) == "" { // a new answer has no age
			t.Errorf("%s %d: the header %s is missing", operation, got.status, name)
		}
	}
	if got.header.Get("Retry-After") != "" && headers["Retry-After"] == nil {
		t.Errorf("%s %d: the document does not tell of Retry-After", operation, got.status)
	}
	if got.header.Get("Content-Type") != "application/json" {
		return
	}
	if err := d.check(t, got.body, append(keys, "content", "application/json", "schema")...); err != nil {
		t.Errorf("%s %d: the document does not allow %s: %v", operation, got.status, got.body, err)
	}
}

// TestSamplesAreOfEveryOperation keeps the two tests above whole.
func TestSamplesAreOfEveryOperation(t *testing.T) {
	var served []string
	for _, rt := range (&Server{log: slog.New(slog.DiscardHandler)}).routes() {
		served = append(served, rt.method+" "+strings.Replace(rt.path, "...}", "}", 1))
	}
	slices.Sort(served)
	if diff := cmp.Diff(served, slices.Sorted(maps.Keys(samples))); diff != "" {
		t.Errorf("operations (-served +sampled):\n%s", diff)
	}
}

// writable is a store that takes documents, or fails as its searches do.
type writable struct{ retrieve.Store }

var _ retrieve.Writer = writable{}

func (w writable) fails(ctx context.Context) error {
	_, err := w.Search(ctx, retrieve.Query{})
	return err
}
func (w writable) Upsert(ctx context.Context, _ []retrieve.Record) error { return w.fails(ctx) }
func (w writable) Delete(ctx context.Context, _ []string) error          { return w.fails(ctx) }
func (w writable) DeleteWhere(ctx context.Context, _ *retrieve.Filter) error {
	return w.fails(ctx)
}

// panics is a store with a bug.
type panics struct{ shelf }

// Search implements [retrieve.Store].
func (panics) Search(context.Context, retrieve.Query) ([]retrieve.Passage, error) {
	panic(errors.New("a bug"))
}
