package floor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestFloors(t *testing.T) {
	// Nothing listens on port 1: every GET fails.
	gone := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer gone.Close()
	tests := []struct {
		name     string
		handler  http.Handler
		body     string
		want     int
		wantBody string
	}{
		{"in memory", Memory([]byte(`{"answer":"a"}`)), `{"query":"q"}`, 200, `{"answer":"a"}`},
		{"no JSON", Memory(nil), `q`, 400, `{"error":"no JSON"}`},
		{"Redis is gone", Redis(gone), `{"query":"q"}`, 502, `{"error":"no answer"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/query", strings.NewReader(tt.body)))
			if w.Code != tt.want || strings.TrimSpace(w.Body.String()) != tt.wantBody {
				t.Errorf("status %d, body %s; want %d, %s", w.Code, w.Body, tt.want, tt.wantBody)
			}
		})
	}
}
