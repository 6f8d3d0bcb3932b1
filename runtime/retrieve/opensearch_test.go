package retrieve

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

// fakeOpenSearch is written from OpenSearch's published API: its documentation of
// the k-NN query, of query DSL, bulk, delete by query and mappings. Like the real
// one it maps strings it has not seen as text with a keyword beside it.
type fakeOpenSearch struct {
	fakeIndex
	method map[string]any
}

func (f *fakeOpenSearch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "admin" || password != "pass:word" {
		reply(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"type": "security_exception"}, "status": 401})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	index, operation, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/prefix/"), "/")
	if index != "passages" {
		reply(w, http.StatusNotFound, map[string]any{"error": map[string]any{"type": "index_not_found_exception"}, "status": 404})
		return
	}
	switch r.Method + " " + operation {
	case "GET _mapping":
		reply(w, http.StatusOK, map[string]any{"passages-000001": map[string]any{"mappings": map[string]any{"properties": f.properties()}}})
	case "POST _search":
		f.search(w, body)
	case "POST _bulk":
		f.bulk(w, body)
	case "POST _delete_by_query":
		var request struct{ Query map[string]any }
		decode(body, &request)
		f.remove(func(r fakeRecord) bool { return openSearchMatches(request.Query, r.fields) })
		reply(w, http.StatusOK, map[string]any{"failures": []any{}})
	default:
		reply(w, http.StatusBadRequest, map[string]any{"error": map[string]any{"type": "no handler found"}, "status": 400})
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}

func decode(data []byte, into any) {
	if err := json.Unmarshal(data, into); err != nil {
		panic(err)
	}
}

// properties is what dynamic mapping makes of what it has seen.
func (f *fakeOpenSearch) properties() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	properties := map[string]any{"embedding": map[string]any{"type": "knn_vector", "dimension": 4, "method": f.method}}
	for _, r := range f.records {
		for key, value := range r.fields {
			if list, ok := value.([]any); ok {
				value = list[0]
			}
			switch value.(type) {
			case string:
				properties[key] = map[string]any{"type": "text", "fields": map[string]any{"keyword": map[string]any{"type": "keyword", "ignore_above": 256}}}
			case float64:
				properties[key] = map[string]any{"type": "float"}
			case bool:
				properties[key] = map[string]any{"type": "boolean"}
			}
		}
	}
	return properties
}

func (f *fakeOpenSearch) search(w http.ResponseWriter, body []byte) {
	var request struct {
		Size  int
		Query struct {
			KNN map[string]struct {
				Vector []float32
				K      int
				Filter map[string]any
			}
		}
	}
	decode(body, &request)
	knn := request.Query.KNN["embedding"]
	hits := []any{}
	for _, hit := range f.nearest(knn.Vector, min(knn.K, request.Size), func(fields map[string]any) bool {
		return knn.Filter == nil || openSearchMatches(knn.Filter, fields)
	}) {
		hits = append(hits, map[string]any{"_id": hit.id, "_score": f.score(hit.cosine), "_source": hit.fields})
	}
	reply(w, http.StatusOK, map[string]any{"hits": map[string]any{"hits": hits}})
}

// score is as documented under "Spaces".
func (f *fakeOpenSearch) score(cosine float64) float64 {
	switch {
	case f.method["space_type"] == "innerproduct" && cosine > 0:
		return cosine + 1
	case f.method["space_type"] == "innerproduct":
		return 1 / (1 - cosine)
	case f.method["engine"] == "nmslib":
		return 1 / (1 + (1 - cosine))
	}
	return (2 - (1 - cosine)) / 2
}

func (f *fakeOpenSearch) bulk(w http.ResponseWriter, body []byte) {
	var items []any
	lines := bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	for len(lines) > 0 {
		var action map[string]struct {
			ID string `json:"_id"`
		}
		decode(lines[0], &action)
		lines = lines[1:]
		if del, ok := action["delete"]; ok {
			f.remove(func(r fakeRecord) bool { return r.id == del.ID })
			items = append(items, map[string]any{"delete": map[string]any{"_id": del.ID, "status": 200}})
			continue
		}
		var source map[string]any
		decode(lines[0], &source)
		lines = lines[1:]
		var vector []float32
		for _, x := range source["embedding"].([]any) {
			vector = append(vector, float32(x.(float64)))
		}
		delete(source, "embedding")
		result := map[string]any{"_id": action["index"].ID, "status": 200}
		if len(vector) != 4 {
			result = map[string]any{"status": 400, "error": map[string]any{"type": "mapper_parsing_exception", "reason": "failed to parse",
				"caused_by": map[string]any{"type": "illegal_argument_exception", "reason": "Vector dimension mismatch. Expected: 4, Given: 1"}}}
		} else {
			f.put(fakeRecord{id: action["index"].ID, vector: vector, fields: source})
		}
		items = append(items, map[string]any{"index": result})
	}
	reply(w, http.StatusOK, map[string]any{"items": items})
}

// openSearchMatches evaluates the part of the query DSL that filters need.
func openSearchMatches(query, fields map[string]any) bool {
	for clause, argument := range query {
		a, _ := argument.(map[string]any)
		switch clause {
		case "match_none":
			return false
		case "bool":
			return openSearchBool(a, fields)
		case "terms":
			for name, values := range a {
				return anyOf(fields[strings.TrimSuffix(name, ".keyword")], func(v any) bool { return slices.Contains(values.([]any), v) })
			}
		case "range":
			for name, bounds := range a {
				return anyOf(fields[name], func(v any) bool { return openSearchInRange(bounds.(map[string]any), v) })
			}
		}
	}
	return false
}

func openSearchBool(clauses, fields map[string]any) bool {
	each := func(parts any) []map[string]any {
		if one, ok := parts.(map[string]any); ok {
			return []map[string]any{one}
		}
		var all []map[string]any
		list, _ := parts.([]any)
		for _, p := range list {
			all = append(all, p.(map[string]any))
		}
		return all
	}
	meets := func(q map[string]any) bool { return openSearchMatches(q, fields) }
	not := func(q map[string]any) bool { return !meets(q) }
	should := each(clauses["should"])
	return !slices.ContainsFunc(each(clauses["filter"]), not) && !slices.ContainsFunc(each(clauses["must_not"]), meets) &&
		(len(should) == 0 || slices.ContainsFunc(should, meets))
}

func openSearchInRange(bounds map[string]any, value any) bool {
	x, ok := value.(float64)
	bound := func(name string, otherwise float64) float64 {
		if b, ok := bounds[name].(float64); ok {
			return b
		}
		return otherwise
	}
	return ok && x > bound("gt", math.Inf(-1)) && x >= bound("gte", math.Inf(-1)) && x < bound("lt", math.Inf(1)) && x <= bound("lte", math.Inf(1))
}

func mustOpenOpenSearch(t *testing.T, handler http.Handler, index string) *openSearch {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	cfg := config.OpenSearch{
		Endpoint: server.URL + "/prefix/", Index: index, VectorField: "embedding", TextField: "text",
		BasicAuthFile: secretFile(t, "admin:pass:word\n"),
	}
	store, err := openOpenSearch(cfg, testRemote("openSearch", 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func TestOpenSearchConforms(t *testing.T) {
	for _, tt := range []struct{ name, engine, space string }{
		{name: "lucene", engine: "lucene", space: "cosinesimil"},
		{name: "nmslib", engine: "nmslib", space: "cosinesimil"},
		{name: "inner product", engine: "faiss", space: "innerproduct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testConformance(t, fixture{open: func(t *testing.T) Store {
				method := map[string]any{"name": "hnsw", "engine": tt.engine, "space_type": tt.space}
				return mustOpenOpenSearch(t, &fakeOpenSearch{method: method}, "passages")
			}})
		})
	}
}

func TestOpenSearchRejects(t *testing.T) {
	tests := []struct {
		name, index, space, vector, want string
	}{
		{name: "another space", index: "passages", space: "l2", vector: "embedding", want: `openSearch: rejected: vectors are compared by "l2" there`},
		{name: "OpenSearch's default space", index: "passages", vector: "embedding", want: `openSearch: rejected: vectors are compared by "l2" there`},
		{name: "no such index", index: "none", vector: "embedding", want: "openSearch: rejected (status 404): index_not_found_exception"},
		{name: "another field", index: "passages", vector: "vector", want: `openSearch: rejected: the field "vector" is no knn_vector`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := mustOpenOpenSearch(t, &fakeOpenSearch{method: map[string]any{"engine": "lucene", "space_type": tt.space}}, tt.index)
			store.vector = tt.vector
			_, err := store.Search(t.Context(), Query{Vector: question, TopK: 1})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestOpenSearchWords filters on text that only exists cut into words.
func TestOpenSearchWords(t *testing.T) {
	c := collection{fields: map[string]field{"title": {name: "title", kind: kindWords}}}
	equal := &Filter{Type: FilterEqual, Key: "title", Value: "Two words"}
	if err := c.compares(equal, false); err != nil {
		t.Errorf("eq: %v", err)
	}
	got, err := json.Marshal(equal.openSearch(c.fields))
	if want := `{"bool":{"should":[{"match":{"title":{"operator":"and","query":"Two words"}}}]}}`; err != nil || string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, refused := range map[string]error{
		"ne":     c.compares(&Filter{Type: FilterNotEqual, Key: "title", Value: "x"}, false),
		"delete": c.compares(equal, true),
	} {
		if refused == nil || !strings.Contains(refused.Error(), `"title" is cut into words`) {
			t.Errorf("%s: got %v, want that it cannot be exact", name, refused)
		}
	}
}

func TestOpenSearchFields(t *testing.T) {
	var m openSearchMapping
	decode([]byte(`{"properties":{"lang":{"type":"text","fields":{"raw":{"type":"keyword"}}},"title":{"type":"text"},"id":{"type":"keyword"},
		"meta":{"properties":{"year":{"type":"long"},"ok":{"type":"boolean"},"at":{"type":"date"}}}}}`), &m)
	got := map[string]field{}
	m.collect("", got)
	want := map[string]field{
		"lang": {"lang.raw", kindText}, "title": {"title", kindWords}, "id": {"id", kindText}, "meta": {"meta", ""},
		"meta.year": {"meta.year", kindNumber}, "meta.ok": {"meta.ok", kindBoolean}, "meta.at": {"meta.at", "date"},
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseLogin(t *testing.T) {
	for _, wrong := range []string{"", "user", ":password"} {
		if _, err := parseLogin([]byte(wrong)); err == nil || err.Error() != "must be user:password" {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}
