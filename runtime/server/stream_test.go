package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/generate"
)

// open begins a request and returns the response's body before it is all there.
func (r *running) open(t testing.TB, path, body string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp.Body
}

func TestEachPieceIsSentAtOnce(t *testing.T) {
	next := make(chan string)
	r := serveParts(t, parts{model: func(_ context.Context, _ generate.Request, emit func(string) error) (generate.Completion, error) {
		for piece := range next {
			if err := emit(piece); err != nil {
				return generate.Completion{}, err
			}
		}
		return generate.Completion{Text: "ab", FinishReason: generate.FinishStop}, nil
	}})
	go func() { next <- "a" }()
	lines := bufio.NewScanner(r.open(t, "/query", `{"query": "q", "stream": true}`))
	read := func() string {
		for lines.Scan() {
			if line := lines.Text(); line != "" {
				return line
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if got, want := read(), `data: {"delta":"a"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	next <- "b" // only now: the first piece was not held back for it
	if got, want := read(), `data: {"delta":"b"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	close(next)
	if got, want := read(), `data: {"query":"q","answer":"ab"`; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want it to start with %s", got, want)
	}
	if got, want := read(), `data: [DONE]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestModelStopsWhenTheCallerIsGone(t *testing.T) {
	for _, stream := range []string{"true", "false"} {
		t.Run("stream "+stream, func(t *testing.T) {
			asked, ended := make(chan struct{}), make(chan error, 1)
			r := serveParts(t, parts{cache: inMemory(), model: func(ctx context.Context, _ generate.Request, emit func(string) error) (generate.Completion, error) {
				if emit != nil {
					if err := emit("a"); err != nil {
						t.Error(err)
					}
				}
				close(asked)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return generate.Completion{}, ctx.Err()
			}})
			ctx, leave := context.WithCancel(t.Context())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/query", strings.NewReader(`{"query": "q", "stream": `+stream+`}`))
				if err != nil {
					t.Error(err)
					return
				}
				if resp, err := r.client.Do(req); err == nil {
					<-ctx.Done()
					resp.Body.Close()
				}
			}()
			<-asked
			leave()
			<-gone
			select {
			case err := <-ended:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the model's context ended with %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("the model still works for nobody")
			}
		})
	}
}
