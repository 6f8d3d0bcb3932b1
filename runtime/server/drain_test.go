package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowModel is a server of OpenAI's API that streams two pieces and waits in between.
type slowModel struct {
	*httptest.Server
	asked chan struct{} // gets one for each question
	more  chan struct{} // closed to let the second piece go
}

func newSlowModel(t *testing.T) *slowModel {
	t.Helper()
	m := &slowModel{asked: make(chan struct{}, 100), more: make(chan struct{})}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Stream bool `json:"stream"`
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if request.Stream {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"one "}}]}`+"\n\n")
			http.NewResponseController(w).Flush()
		}
		m.asked <- struct{}{}
		select {
		case <-m.more:
		case <-r.Context().Done():
			return
		}
		if request.Stream {
			fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"two"}}]}`+"\n\n"+
				`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"one two"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(m.Close)
	return m
}

// openAI is the configuration embedded with the model of a server.
func openAI(url string) string {
	return strings.Replace(embedded, "{extractive: {}}", "{openAI: {model: m, baseURL: '"+url+"'}, timeout: 3s}", 1)
}

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	m := newSlowModel(t)
	r := run(t, openAI(m.URL)+localCache)
	stream := r.open(t, "/query", `{"query": "one", "stream": true}`)
	whole := make(chan response, 1)
	go func() { whole <- r.query(t, `{"query": "two"}`) }()
	<-m.asked
	<-m.asked

	drained := make(chan error, 1)
	go func() { drained <- r.stop() }()
	waitFor(t, "unready", func() bool {
		return r.do(t, http.MethodGet, r.admin+"/readyz", "").status == http.StatusServiceUnavailable
	})
	if got := r.do(t, http.MethodGet, r.admin+"/livez", "").status; got != http.StatusOK {
		t.Errorf("livez while draining: %d", got)
	}
	close(m.more)
	body, err := io.ReadAll(stream)
	if err != nil || !strings.Contains(string(body), `"answer":"one two"`) || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
		t.Errorf("the stream ended with %v: %s", err, body)
	}
	if got := <-whole; got.status != http.StatusOK || !strings.Contains(got.body, "one two") {
		t.Errorf("the query got %d %s", got.status, got.body)
	}
	if err := <-drained; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestDrainCutsNobodyOff has callers that keep their connections ask on while the
// service drains, as they do until the endpoints have moved. Their bodies cannot be
// sent twice, so that the client does not hide a connection that was closed under
// a query.
func TestDrainCutsNobodyOff(t *testing.T) {
	r := run(t, strings.Replace(embedded, "drainDelay: 1ms", "drainDelay: 3s", 1)+localCache)
	const callers, beyond = 16, 30
	var draining, asked, released atomic.Int64
	ask := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/query", io.NopCloser(strings.NewReader(`{"query": "What if Redis is gone?"}`)))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := r.client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.Close {
			released.Add(1)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}
	r.client.Transport.(*http.Transport).MaxIdleConnsPerHost = callers
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for more := beyond; more > 0; {
				if draining.Load() > 0 {
					more--
				}
				asked.Add(1)
				if err := ask(); err != nil {
					t.Errorf("query %d failed: %v", asked.Load(), err)
					return
				}
			}
		})
	}
	waitFor(t, "callers with warm connections", func() bool { return asked.Load() > 20*callers })
	drained := make(chan error, 1)
	go func() { drained <- r.stop() }()
	waitFor(t, "unready", func() bool {
		return r.do(t, http.MethodGet, r.admin+"/readyz", "").status == http.StatusServiceUnavailable
	})
	draining.Store(1)
	group.Wait()
	if released.Load() < callers {
		t.Errorf("%d connections were let go of, want that of each of the %d callers", released.Load(), callers)
	}
	if err := <-drained; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestDrainEndsInItsTime(t *testing.T) {
	m := newSlowModel(t)
	r := run(t, strings.Replace(openAI(m.URL), "drainTimeout: 5s", "drainTimeout: 50ms", 1))
	go func() {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.url+"/query", strings.NewReader(`{"query": "q"}`))
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := r.client.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-m.asked
	start := time.Now()
	if err := r.stop(); err == nil || !strings.Contains(err.Error(), "still in flight") {
		t.Errorf("got %v, want an error that says what was cut off", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}

// waitFor waits for a condition.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second) // the race detector on a busy machine
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}
