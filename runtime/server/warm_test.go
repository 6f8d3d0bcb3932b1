package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ragops.dev/ragservice/hack/perf/standin"
)

// remoteParts is a configuration whose model, embedding and store are at one
// address.
func remoteParts(url string) string {
	return strings.ReplaceAll(`version: ragservice/v1
server: {queryAddress: "127.0.0.1:0", adminAddress: "127.0.0.1:0", drainDelay: 1ms, drainTimeout: 5s}
model: {openAI: {model: m, baseURL: 'SERVER/v1'}, timeout: 3s}
embedding: {openAI: {model: e, baseURL: 'SERVER/v1'}, dimensions: 384}
vectorStore: {http: {url: 'SERVER/query'}}
`, "SERVER", url)
}

// TestTheFirstQueryFindsItsConnections counts the connections to model, embedding
// and store: all are there once the replica is ready.
func TestTheFirstQueryFindsItsConnections(t *testing.T) {
	var opened, asked atomic.Int64
	handler := standin.Handler(standin.Options{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			asked.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	r := run(t, remoteParts(server.URL))
	if opened.Load() != 3 {
		t.Errorf("when ready, %d connections are open, want 3", opened.Load())
	}
	waitFor(t, "the length of the vectors", func() bool {
		return strings.Contains(r.do(t, http.MethodGet, r.admin+"/status", "").body, `"dimensions": 384`)
	})
	if asked.Load() != 1 {
		t.Errorf("%d questions were asked for the length of the vectors, want 1", asked.Load())
	}
	if got := r.query(t, `{"query": "How long may an article be kept?"}`); got.status != http.StatusOK {
		t.Fatalf("the query got %d %s", got.status, got.body)
	}
	if opened.Load() != 3 || asked.Load() != 4 {
		t.Errorf("after a query, %d connections were opened and %d questions asked, want 3 and 4", opened.Load(), asked.Load())
	}
}

// TestReadyWithoutUpstreams starts against servers that are not well.
func TestReadyWithoutUpstreams(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	tests := []struct {
		name, address string
		atLeast       time.Duration
	}{
		{name: "gone", address: gone.Addr().String()},
		{name: "silent", address: silent.Addr().String(), atLeast: warmTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			r := run(t, remoteParts("http://"+tt.address))
			if took := time.Since(start); took < tt.atLeast || took > tt.atLeast+10*time.Second {
				t.Errorf("ready after %s, want it soon after %s", took, tt.atLeast)
			}
			if got := r.do(t, http.MethodGet, r.admin+"/readyz", ""); got.status != http.StatusOK {
				t.Errorf("readyz: status %d", got.status)
			}
		})
	}
}
