package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"ragops.dev/ragservice/runtime/config"
)

// TestDimensionsAreProbed starts the service in front of an embedding server: how
// long the vectors are is in /status without a question, also where the server
// comes later, and where it is another length than configured.
func TestDimensionsAreProbed(t *testing.T) {
	three := answers(http.StatusOK, "application/json", "[[0.6, 0, 0.8]]")
	tests := []struct {
		name       string
		configured string
		late       bool
		want       config.EmbeddingStatus
		wantAnswer int
	}{
		{name: "as configured", configured: "dimensions: 3", want: config.EmbeddingStatus{Dimensions: 3, Configured: 3}, wantAnswer: 200},
		{name: "not configured", want: config.EmbeddingStatus{Dimensions: 3}, wantAnswer: 200},
		{name: "the server comes later", late: true, want: config.EmbeddingStatus{Dimensions: 3}, wantAnswer: 200},
		{
			name: "another length", configured: "dimensions: 384", wantAnswer: 503,
			want: config.EmbeddingStatus{Dimensions: 3, Configured: 384, Mismatch: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, store := newFlaky(t, three), newFlaky(t, answers(200, "application/json", found))
			if tt.late {
				server.fail(answers(503, "text/plain", "loading"))
			}
			r := run(t, strings.Replace(overHTTP(store.URL), "{lexical: {}}", "{textEmbeddingsInference: {endpoint: '"+server.URL+"'}, "+tt.configured+"}", 1))
			status := func() config.EmbeddingStatus {
				var s config.Status
				if err := json.Unmarshal([]byte(r.do(t, http.MethodGet, r.admin+"/status", "").body), &s); err != nil {
					t.Fatal(err)
				}
				return s.Embedding
			}
			if tt.late {
				waitFor(t, "the first attempts to fail", func() bool { return server.calls.Load() >= 3 })
				if got := status().Dimensions; got != 0 {
					t.Errorf("%d dimensions of a server that has given none", got)
				}
				server.mend()
			}
			waitFor(t, "the dimensions in /status", func() bool { return status().Dimensions != 0 })
			got := status()
			if got.Identity == "" {
				t.Error("the status does not name the model")
			}
			if got.Identity = ""; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got := r.query(t, `{"query": "a"}`); got.status != tt.wantAnswer {
				t.Errorf("an answer: %d %s, want %d", got.status, got.body, tt.wantAnswer)
			}
			if got := r.do(t, http.MethodGet, r.admin+"/readyz", ""); got.status != http.StatusOK {
				t.Errorf("readyz: %d", got.status)
			}
		})
	}
}
