// Package floor serves POST /query with as little as Go's standard server needs,
// so that a benchmark can say how near the query runtime comes to what is possible
// at all: with the answer in memory, or with one GET from Redis. It decodes the
// same body and writes the same bytes, and does nothing else.
package floor

import (
	"encoding/json"
	"net/http"

	"github.com/redis/go-redis/v9"
)

// Memory answers every question with the same body.
func Memory(body []byte) http.Handler {
	return serve("HIT-L1", func(*http.Request, string) ([]byte, error) { return body, nil })
}

// Redis answers with what is kept under cache:{query}.
func Redis(client *redis.Client) http.Handler {
	return serve("HIT-L2", func(r *http.Request, question string) ([]byte, error) {
		return client.Get(r.Context(), "cache:"+question).Bytes()
	})
}

func serve(xcache string, answer func(r *http.Request, question string) ([]byte, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /query", func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Query string }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, `{"error":"no JSON"}`, http.StatusBadRequest)
			return
		}
		body, err := answer(r, request.Query)
		if err != nil {
			http.Error(w, `{"error":"no answer"}`, http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Cache", xcache)
		// A caller that has left needs no answer.
		_, _ = w.Write(body)
	})
	return mux
}
