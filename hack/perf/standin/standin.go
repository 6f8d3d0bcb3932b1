// Package standin takes the place of the servers that a query service asks: a model
// and an embedding model that speak the OpenAI API, and a vector store that takes
// POST requests with a vector. Each answers after a set time with fixed content, so
// that what is measured is the service and not its upstreams. The forms are those
// of the published APIs.
//
// It is for benchmarks on one machine, and checks little of what it is asked.
package standin

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Options are what the stand-ins do.
type Options struct {
	// Embedding, Vector and Model are how long each takes.
	Embedding, Vector, Model time.Duration
	// Pieces of a streamed answer, which are spread over Model; defaultPieces where it
	// is 0.
	Pieces int
	// PerCaller is how many answers of the model one address gets at a time, as a
	// gateway does that shares a model fairly; further ones wait. 0 is no bound.
	PerCaller int
}

const (
	dimensions = 384
	topK       = 5
	// defaultPieces make an answer of about 2 kB.
	defaultPieces = 20
	sentence      = "Returns are taken in any store within sixty days, with the receipt or the card that paid. "
)

// Handler serves POST /v1/embeddings, /v1/chat/completions and /query.
func Handler(o Options) http.Handler {
	vector := make([]float32, dimensions)
	for i := range vector {
		vector[i] = float32(math.Sin(float64(i+1))) / float32(math.Sqrt(dimensions/2.0))
	}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/embeddings", after(o.Embedding, embeddings(vector)))
	mux.Handle("POST /query", after(o.Vector, reply(matches())))
	mux.HandleFunc("POST /v1/chat/completions", inTurn(o.PerCaller, chat(o)))
	return mux
}

// after waits ahead of a handler, unless the caller leaves.
func after(d time.Duration, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Read first: a server notices that its caller left only after that.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if wait(r, d) {
			next(w, r)
		}
	}
}

func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func reply(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// A caller that has left needs no answer.
		_, _ = w.Write(body)
	}
}

// must encodes what always encodes.
func must(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// embeddings answers with numbers, or base64 where that is asked for.
func embeddings(vector []float32) http.HandlerFunc {
	packed := make([]byte, 0, 4*len(vector))
	for _, v := range vector {
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(v))
	}
	body := func(embedding any) []byte {
		return must(map[string]any{
			"object": "list", "model": "stand-in", "usage": map[string]int{"prompt_tokens": 8, "total_tokens": 8},
			"data": []any{map[string]any{"object": "embedding", "index": 0, "embedding": embedding}},
		})
	}
	numbers, text := reply(body(vector)), reply(body(base64.StdEncoding.EncodeToString(packed)))
	return func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			EncodingFormat string `json:"encoding_format"`
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, `{"error":{"message":"no JSON"}}`, http.StatusBadRequest)
			return
		}
		if request.EncodingFormat == "base64" {
			text(w, r)
			return
		}
		numbers(w, r)
	}
}

func matches() []byte {
	var found []any
	for i := range topK {
		found = append(found, map[string]any{
			"id": fmt.Sprintf("p%d", i), "score": 0.9 - 0.05*float64(i),
			"metadata": map[string]any{"text": strings.Repeat(sentence, 4), "source": "returns.md"},
		})
	}
	return must(map[string]any{"matches": found})
}

// streaming is what a request for a stream has: within a text its quotes are escaped.
var streaming = regexp.MustCompile(`"stream":\s*true`)

// bodies are buffers for requests.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// asksForStream reads a request for an answer. It does not decode it: the stand-in runs
// on the cores of what is measured, and a model would not.
func asksForStream(r *http.Request) (bool, error) {
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	_, err := body.ReadFrom(r.Body)
	return streaming.Match(body.Bytes()), err
}

// completion is an answer in one piece, of so many sentences.
func completion(sentences int) []byte {
	return must(map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "stand-in",
		"usage": map[string]int{"prompt_tokens": 400, "completion_tokens": 250, "total_tokens": 650},
		"choices": []any{map[string]any{
			"index": 0, "finish_reason": "stop", "message": map[string]string{"role": "assistant", "content": strings.Repeat(sentence, sentences)},
		}},
	})
}

// chat answers in one piece or as a stream.
func chat(o Options) http.HandlerFunc {
	pieces := o.Pieces
	if pieces == 0 {
		pieces = defaultPieces
	}
	whole := reply(completion(pieces))
	event := func(delta map[string]string, finish any) []byte {
		return fmt.Appendf(nil, "data: %s\n\n", must(map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "stand-in",
			"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}},
		}))
	}
	piece := event(map[string]string{"content": sentence}, nil)
	last := append(event(map[string]string{}, "stop"), "data: [DONE]\n\n"...)
	return func(w http.ResponseWriter, r *http.Request) {
		stream, err := asksForStream(r)
		if err != nil {
			http.Error(w, `{"error":{"message":"no body"}}`, http.StatusBadRequest)
			return
		}
		if !stream {
			if wait(r, o.Model) {
				whole(w, r)
			}
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w)
		for range pieces {
			if !wait(r, o.Model/time.Duration(pieces)) {
				return
			}
			// A caller that has left is noticed by wait.
			_, _ = w.Write(piece)
			_ = flush.Flush()
		}
		_, _ = w.Write(last)
	}
}
