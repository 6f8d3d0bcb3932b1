package retrieve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

// fakeHTTPStore is the query service of the migration guide. It knows filters or,
// like the services of old, does not.
func fakeHTTPStore(t *testing.T, knowsFilters bool) http.HandlerFunc {
	var index fakeIndex
	for _, r := range conformancePassages {
		index.put(fakeRecord{id: r.ID, vector: r.Vector, fields: r.fieldsOf("text")})
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Vector          []float32 `json:"vector"`
			TopK            int       `json:"top_k"`
			IncludeMetadata bool      `json:"include_metadata"`
			Filter          *Filter   `json:"filter"`
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.Method != http.MethodPost || !request.IncludeMetadata {
			t.Errorf("got a wrong request: %s %v", r.Method, err)
		}
		if r.Header.Get("Authorization") != "Bearer key" {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		matches := []map[string]any{}
		for _, hit := range index.nearest(request.Vector, request.TopK, func(fields map[string]any) bool {
			return !knowsFilters || request.Filter.Match(fields)
		}) {
			matches = append(matches, map[string]any{"id": hit.id, "score": hit.cosine, "metadata": hit.fields})
		}
		reply(w, http.StatusOK, map[string]any{"matches": matches})
	}
}

func mustOpenHTTP(t *testing.T, handler http.HandlerFunc) *httpStore {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := config.HTTPStore{URL: server.URL + "/query", TextField: "text", APIKeyFile: secretFile(t, "key")}
	store, err := openHTTP(cfg, testRemote("http", 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestHTTPConforms(t *testing.T) {
	for _, tt := range []struct {
		name         string
		knowsFilters bool
	}{
		{name: "with filters", knowsFilters: true},
		{name: "without filters", knowsFilters: false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testConformance(t, fixture{prefilled: true, unchecked: true, open: func(t *testing.T) Store {
				return mustOpenHTTP(t, fakeHTTPStore(t, tt.knowsFilters))
			}})
		})
	}
}

func TestHTTPAnswers(t *testing.T) {
	tests := []struct{ name, answer, want, wantErr string }{
		{name: "number as id", answer: `{"matches":[{"id":7,"score":0.5,"metadata":{"text":"t"}}]}`, want: "7"},
		{name: "no passages", answer: `{"matches":[]}`},
		{name: "no matches", answer: `{"results":[]}`, wantErr: "http: invalid response: the answer has no field matches"},
		{name: "no score", answer: `{"matches":[{"id":"a","metadata":{"text":"t"}}]}`, wantErr: "http: invalid response: matches[0] has no score"},
		{name: "no text", answer: `{"matches":[{"id":"a","score":1,"metadata":{"content":"t"}}]}`, wantErr: `none of the 1 passages found has a text in "text"`},
		{name: "one without text", answer: `{"matches":[{"id":"a","score":1,"metadata":null},{"id":"b","score":0.9,"metadata":{"text":"t"}}]}`, want: "b"},
		{name: "not JSON", answer: `<html>`, wantErr: "http: invalid response: the answer is no JSON: invalid character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := mustOpenHTTP(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(tt.answer)) })
			store.timeout = 50 * time.Millisecond // no second attempt
			got, err := store.Search(t.Context(), Query{Vector: question, TopK: 3})
			var ids []string
			for _, p := range got {
				ids = append(ids, p.ID)
			}
			if strings.Join(ids, " ") != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("got %q and %v, want %q and %q", ids, err, tt.want, tt.wantErr)
			}
		})
	}
}
