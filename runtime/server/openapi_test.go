package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// description is the OpenAPI document as plain JSON, with a compiler for its
// schemas: those of OpenAPI 3.1 are JSON Schema 2020-12.
type description struct {
	document map[string]any
	compiler *jsonschema.Compiler
}

const documentURL = "file:///openapi.json"

func readDescription(t *testing.T) description {
	t.Helper()
	var fromYAML map[string]any
	if err := yaml.Unmarshal(openAPI, &fromYAML); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource(documentURL, document); err != nil {
		t.Fatal(err)
	}
	return description{document.(map[string]any), compiler}
}

// at walks down the document by keys, following references.
func (d description) at(t *testing.T, keys ...string) (map[string]any, string) {
	t.Helper()
	node, pointer := d.document, "#"
	for _, key := range keys {
		next, ok := node[key].(map[string]any)
		if !ok {
			t.Fatalf("the document has nothing at %s/%s", pointer, key)
		}
		node, pointer = next, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		if ref, ok := node["$ref"].(string); ok {
			node, pointer = d.follow(t, ref)
		}
	}
	return node, pointer
}

func (d description) follow(t *testing.T, ref string) (map[string]any, string) {
	t.Helper()
	return d.at(t, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// check validates JSON against the schema at a place of the document.
func (d description) check(t *testing.T, body string, keys ...string) error {
	t.Helper()
	_, pointer := d.at(t, keys...)
	schema, err := d.compiler.Compile(documentURL + pointer)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

func TestOpenAPIListsTheRoutes(t *testing.T) {
	d := readDescription(t)
	if version := d.document["openapi"]; version != "3.1.0" {
		t.Errorf("openapi: got %v", version)
	}
	var described []string
	for path, item := range d.document["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if method != "parameters" {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	var served []string
	for _, rt := range (&Server{}).routes() {
		served = append(served, rt.method+" "+strings.Replace(rt.path, "...}", "}", 1))
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("operations (-served +described):\n%s", diff)
	}
}

func TestOpenAPISchemasCompile(t *testing.T) {
	d := readDescription(t)
	schemas, _ := d.at(t, "components", "schemas")
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		if _, err := d.compiler.Compile(documentURL + "#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHandlersKeepToOpenAPI sends requests and holds both what is taken and what
// comes back to the document.
func TestHandlersKeepToOpenAPI(t *testing.T) {
	d := readDescription(t)
	r := serveParts(t, parts{cache: inMemory()})
	manage := r.server.newMux(r.server.managementRoutes(unguarded))
	tests := []struct {
		method, path, body string
		operation          string // the path in the document, where it is another
		managed            bool   // on the admin port
		wantStatus         int
	}{
		{method: "POST", path: "/query", body: `{"query": "a"}`, wantStatus: 200},
		{
			method: "POST", path: "/query", wantStatus: 200,
			body: `{"query": "a", "user_id": "u", "top_k": 1, "filter": {"type": "eq", "key": "k", "value": 1}, "cache": {"mode": "refresh", "semantic_threshold": 0.99, "max_age": 1}, "include_sources": true}`,
		},
		{method: "POST", path: "/query", body: `{"query": ""}`, wantStatus: 400},
		{method: "GET", path: "/health", wantStatus: 200},
		{method: "POST", path: "/v1/chat/completions", body: hello + `, "temperature": null, "max_tokens": null}`, wantStatus: 200},
		{method: "POST", path: "/v1/chat/completions", body: `{"messages": []}`, wantStatus: 400},
		{method: "POST", path: "/v1/retrieve", body: `{"query": "a", "top_k": 2}`, wantStatus: 200},
		{method: "POST", path: "/v1/retrieve", body: `{"query": "a", "top_k": -2}`, wantStatus: 400},
		{method: "GET", path: "/v1/models", wantStatus: 200},
		{method: "GET", path: "/v1/models/extractive", operation: "/v1/models/{model}", wantStatus: 200},
		{method: "GET", path: "/v1/models/other/model", operation: "/v1/models/{model}", wantStatus: 404},
		{method: "POST", path: "/v1/cache/invalidate", body: `{"all": true}`, wantStatus: 403},
		{method: "POST", path: "/v1/cache/invalidate", body: `{"all": true, "dry_run": true}`, managed: true, wantStatus: 200},
		{method: "POST", path: "/v1/cache/invalidate", body: `{}`, managed: true, wantStatus: 400},
		{method: "PUT", path: "/v1/faq", body: `[{"question": "a", "answer": "b"}]`, managed: true, wantStatus: 409},
		{method: "PUT", path: "/v1/faq", body: `[{"question": "a"}]`, managed: true, wantStatus: 400},
		{method: "POST", path: "/v1/documents", body: `{"documents": [{"id": "a", "text": "b"}]}`, managed: true, wantStatus: 409},
		{method: "DELETE", path: "/v1/documents?id=a", operation: "/v1/documents", managed: true, wantStatus: 409},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s %d", tt.method, tt.path, tt.wantStatus), func(t *testing.T) {
			operation := []string{"paths", tt.path, strings.ToLower(tt.method)}
			if tt.operation != "" {
				operation[1] = tt.operation
			}
			if tt.body != "" {
				err := d.check(t, tt.body, append(operation, "requestBody", "content", "application/json", "schema")...)
				if wrong := tt.wantStatus == http.StatusBadRequest; err != nil && !wrong {
					t.Errorf("the document does not allow the request: %v", err)
				}
			}
			base := r.url
			if tt.managed {
				base = listenAlso(t, manage)
			}
			got := r.do(t, tt.method, base+tt.path, tt.body)
			if got.status != tt.wantStatus {
				t.Fatalf("status %d %s, want %d", got.status, got.body, tt.wantStatus)
			}
			if err := d.check(t, got.body, append(operation, "responses", fmt.Sprint(got.status), "content", "application/json", "schema")...); err != nil {
				t.Errorf("the document does not allow the answer %s: %v", got.body, err)
			}
		})
	}
}

func TestChunksKeepToOpenAPI(t *testing.T) {
	d := readDescription(t)
	r := serveParts(t, parts{})
	got := r.chat(t, hello+`, "stream": true, "stream_options": {"include_usage": true}}`)
	events, _ := chunks(t, got.body)
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.check(t, string(body), "components", "schemas", "ChatChunk"); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	r := serveParts(t, parts{})
	got := r.do(t, http.MethodGet, r.url+"/openapi.yaml", "")
	if got.body != string(openAPI) || got.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("got %d bytes of %s", len(got.body), got.header.Get("Content-Type"))
	}
}
