package retrieve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/weaviate/weaviate/entities/models"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// TestWeaviateConforms needs a real server, because no server written for a test
// speaks its GraphQL as it does. Set RAGSERVICE_TEST_WEAVIATE to the URL of one
// that may be written to.
func TestWeaviateConforms(t *testing.T) {
	url := os.Getenv("RAGSERVICE_TEST_WEAVIATE")
	if url == "" {
		t.Skip("building Weaviate takes minutes: set RAGSERVICE_TEST_WEAVIATE to the URL of a server to run this")
	}
	var collections atomic.Int64
	open := func(t *testing.T, stopwords string) Store {
		name := fmt.Sprintf("Passages%d", collections.Add(1))
		class := fmt.Sprintf(`{"class": %q, "vectorizer": "none", "vectorIndexConfig": {"distance": "cosine"},
			"invertedIndexConfig": {"stopwords": {"preset": %q}},
			"properties": [{"name": "lang", "dataType": ["text"], "tokenization": "field"}]}`, name, stopwords)
		weaviateSchema(t, http.MethodPost, url+"/v1/schema", class)
		t.Cleanup(func() { weaviateSchema(t, http.MethodDelete, url+"/v1/schema/"+name, "") })
		store, err := openWeaviate(config.Weaviate{Endpoint: url, Collection: name, TextField: "text"}, testRemote("weaviate", 10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	testConformance(t, fixture{open: func(t *testing.T) Store { return open(t, "none") }})
	t.Run("a stopword", func(t *testing.T) {
		store := filled(t, fixture{open: func(t *testing.T) Store { return open(t, "en") }})
		filter := &Filter{Type: FilterEqual, Key: "lang", Value: "it"}
		_, err := store.Search(t.Context(), Query{Vector: question, TopK: 1, Filter: filter})
		for _, err := range []error{err, store.(Writer).DeleteWhere(t.Context(), filter)} {
			if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.KindRejected || !strings.Contains(err.Error(), "is a stopword") {
				t.Errorf("got %v", err)
			}
		}
	})
}

func weaviateSchema(t *testing.T, method, url, body string) {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	if data, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s", method, url, response.Status, data)
	}
}

func TestWeaviateFilter(t *testing.T) {
	fields := map[string]field{
		"lang": {"lang", kindText}, "year": {"year", kindNumber}, "count": {"count", kindInteger}, "draft": {"draft", kindBoolean},
	}
	tests := []struct{ name, filter, want string }{
		{name: "text", filter: `{"type":"eq","key":"lang","value":"say \"en\" } {"}`, want: `where:{operator: Equal path: ["lang"] valueText: "say \"en\" } {"}`},
		{name: "boolean", filter: `{"type":"ne","key":"draft","value":true}`, want: `where:{operator: NotEqual path: ["draft"] valueBoolean: true}`},
		{name: "number", filter: `{"type":"gte","key":"year","value":2023.5}`, want: `where:{operator: GreaterThanEqual path: ["year"] valueNumber: 2023.5}`},
		{name: "half an integer from below", filter: `{"type":"gt","key":"count","value":2.5}`, want: `where:{operator: GreaterThan path: ["count"] valueInt: 2}`},
		{name: "half an integer from above", filter: `{"type":"lt","key":"count","value":2.5}`, want: `where:{operator: LessThan path: ["count"] valueInt: 3}`},
		{name: "no such property", filter: `{"type":"eq","key":"x\"]}","value":"y"}`, want: `where:{operator: Equal path: ["id"] valueText: "` + weaviateNobody + `"}`},
		{name: "another type", filter: `{"type":"ne","key":"lang","value":1}`, want: `where:{operator: NotEqual path: ["id"] valueText: "` + weaviateNobody + `"}`},
		{name: "in", filter: `{"type":"in","key":"lang","value":["en","de"]}`,
			want: `where:{operator: Or operands:[{operator: Equal path: ["lang"] valueText: "en"},{operator: Equal path: ["lang"] valueText: "de"}]}`},
		{name: "and of one", filter: `{"type":"and","filters":[{"type":"lte","key":"year","value":1}]}`, want: `where:{operator: LessThanEqual path: ["year"] valueNumber: 1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			filter, err := ParseFilter([]byte(tt.filter))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, filter.weaviate(fields).String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	filter := &Filter{Type: FilterEqual, Key: "lang", Value: "a\x07"}
	if err := new(collection).weaviateTakes(filter); err == nil || !strings.Contains(err.Error(), "control characters") {
		t.Errorf("a control character: got %v", err)
	}
}

func TestWeaviateStopwords(t *testing.T) {
	english, err := weaviateStopwords(&models.Class{InvertedIndexConfig: &models.InvertedIndexConfig{
		Stopwords: &models.StopwordConfig{Preset: "en", Additions: []string{"da"}, Removals: []string{"no"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := collection{leftOut: english, fields: map[string]field{
		"lang": {"lang", kindText}, "body": {"body", kindWords}, "year": {"year", kindNumber},
	}}
	tests := []struct {
		filter string
		want   bool
	}{
		{`{"type":"eq","key":"lang","value":"it"}`, false},
		{`{"type":"eq","key":"lang","value":" it "}`, false},
		{`{"type":"eq","key":"lang","value":"It"}`, true},
		{`{"type":"eq","key":"lang","value":"it is"}`, true},
		{`{"type":"eq","key":"lang","value":"da"}`, false},
		{`{"type":"eq","key":"lang","value":"no"}`, true},
		{`{"type":"in","key":"lang","value":["de","it"]}`, false},
		{`{"type":"eq","key":"body","value":"It is"}`, false},
		{`{"type":"eq","key":"body","value":"it works"}`, true},
		{`{"type":"eq","key":"body","value":"!"}`, false},
		{`{"type":"eq","key":"year","value":"it"}`, true},
		{`{"type":"and","filters":[{"type":"eq","key":"year","value":1},{"type":"ne","key":"lang","value":"it"}]}`, false},
	}
	for _, tt := range tests {
		filter, err := ParseFilter([]byte(tt.filter))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.has(filter); got != tt.want {
			t.Errorf("%s: in the index: %t, want %t", tt.filter, got, tt.want)
		}
		if err := c.weaviateTakes(filter); (err == nil) != tt.want {
			t.Errorf("%s: got %v", tt.filter, err)
		}
	}
}

func TestWeaviateAnswers(t *testing.T) {
	tests := []struct {
		name, answer string
		metric       metric
		want         []match
		wantKind     upstream.Kind
	}{
		{name: "cosine distance", metric: metricCosine,
			answer: `{"data":{"Get":{"Passages":[{"_additional":{"id":"1","distance":0.25},"text":"t","lang":null}]}}}`,
			want:   []match{{id: "1", score: 0.75, fields: map[string]any{"text": "t"}}}},
		{name: "negative product", metric: metricDot,
			answer: `{"data":{"Get":{"Passages":[{"_additional":{"id":"1","distance":-0.75},"text":"t"}]}}}`,
			want:   []match{{id: "1", score: 0.75, fields: map[string]any{"text": "t"}}}},
		{name: "no distance", answer: `{"data":{"Get":{"Passages":[{"text":"t"}]}}}`, wantKind: upstream.KindInvalidResponse},
		{name: "no list", answer: `{"data":{"Get":7}}`, wantKind: upstream.KindInvalidResponse},
		{name: "another length", answer: `{"errors":[{"message":"vector search: vector lengths don't match: 4 vs 2"}]}`, wantKind: upstream.KindRejected},
		{name: "slow", answer: `{"errors":[{"message":"context deadline exceeded"}]}`, wantKind: upstream.KindTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var response models.GraphQLResponse
			if err := json.Unmarshal([]byte(tt.answer), &response); err != nil {
				t.Fatal(err)
			}
			got, err := weaviateMatches(&response, collection{metric: tt.metric}, "Passages", nil)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(match{})); diff != "" {
				t.Errorf("matches (-want +got):\n%s", diff)
			}
			if kind := kindOf(err); kind != tt.wantKind {
				t.Errorf("got %v, want %s", err, tt.wantKind)
			}
		})
	}
}
