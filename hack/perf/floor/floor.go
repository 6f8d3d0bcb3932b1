// Package floor serves POST /query with as little as Go's standard server needs,
// so that a benchmark can say how near the query runtime comes to what is possible
// at all: with the answer in memory, with one GET from Redis, or with the requests
// to embedding, vector store and model that an answer takes. It decodes the same
// body and writes the same bytes, and does nothing else.
package floor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

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

// Path asks the stand-ins at a base URL for an embedding, for passages and for an
// answer, one after another as each needs what the last one said, and sends that
// answer on.
func Path(standIns string) http.Handler {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	return serve("MISS", func(r *http.Request, _ string) (answer []byte, err error) {
		for _, request := range [][2]string{
			{"/v1/embeddings", `{"model":"stand-in","input":["q"],"encoding_format":"base64"}`},
			{"/query", `{"vector":[1],"top_k":5,"include_metadata":true}`},
			{"/v1/chat/completions", `{"model":"stand-in","messages":[]}`},
		} {
			if answer, err = post(r.Context(), client, standIns+request[0], request[1]); err != nil {
				return nil, err
			}
		}
		return fmt.Appendf(nil, `{"answer":%s}`, answer), nil
	})
}

func post(ctx context.Context, client *http.Client, url, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered with status %d", url, response.StatusCode)
	}
	return io.ReadAll(response.Body)
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
