package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// flaky is another server, which a test can break and mend.
type flaky struct {
	*httptest.Server
	calls       atomic.Int64
	connections atomic.Int64 // open ones

	well    http.HandlerFunc
	handler atomic.Pointer[http.HandlerFunc]
}

func newFlaky(t testing.TB, well http.HandlerFunc) *flaky {
	t.Helper()
	f := &flaky{well: well}
	f.handler.Store(&f.well)
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return // a connection that is opened ahead
		}
		f.calls.Add(1)
		// Once the request is read the server notices when the client leaves.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		(*f.handler.Load())(w, r)
	}))
	f.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			f.connections.Add(1)
		case http.StateClosed, http.StateHijacked:
			f.connections.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (f *flaky) fail(how http.HandlerFunc) { f.handler.Store(&how) }
func (f *flaky) mend()                     { f.handler.Store(&f.well) }

// The ways in which a server fails.

// hangs answers nothing until the client is gone.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// hangsAfter sends the beginning of an answer and no more.
func hangsAfter(contentType, beginning string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, beginning)
		if err := http.NewResponseController(w).Flush(); err == nil {
			<-r.Context().Done()
		}
	}
}

func answers(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// cutOff ends the connection before the answer has the length it was said to have.
func cutOff(contentType, beginning string) http.HandlerFunc {
	return answers(http.StatusOK, contentType, beginning, "Content-Length", fmt.Sprint(len(beginning)+100))
}

// says writes to the connection what may be no HTTP at all, and closes it.
func says(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, what) // the client may be gone
		conn.Close()
	}
}

// queryDeadline is what a query may take in tests of failures, upstreamTimeout what
// a model or a store may, and busy is what the machine may add. What they look for is a request that outlives its
// deadline, not one that is a little late.
const (
	queryDeadline   = 6 * time.Second
	upstreamTimeout = 2 * time.Second
	busy            = 30 * time.Second
)

// crowd sends so many requests at a time and returns what came of each. It fails
// the test where one outlives its deadline.
func (r *running) crowd(t testing.TB, n int, path string, body func(i int) string) []response {
	t.Helper()
	got := make([]response, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			start := time.Now()
			var err error
			if got[i], err = r.exchange(t.Context(), http.MethodPost, r.url+path, body(i)); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
			if took := time.Since(start); took > queryDeadline+busy {
				t.Errorf("request %d took %s, and its deadline is %s", i, took, queryDeadline)
			}
		})
	}
	wg.Wait()
	// A client opens more connections than it needs, and for one that is new and
	// silent net/http waits five seconds when it shuts down.
	r.client.CloseIdleConnections()
	return got
}

// questions are bodies of POST /query that differ.
func questions(prefix, more string) func(int) string {
	return func(i int) string { return fmt.Sprintf(`{"query": "%s %d"%s}`, prefix, i, more) }
}
