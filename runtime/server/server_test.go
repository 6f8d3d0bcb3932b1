package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func TestMain(m *testing.M) { testredis.VerifyTestMain(m) }

// embedded is a configuration that needs no other server. DOCUMENTS is replaced by
// a folder.
const embedded = `version: ragservice/v1
server: {queryAddress: "127.0.0.1:0", adminAddress: "127.0.0.1:0", drainDelay: 1ms, drainTimeout: 5s}
model: {extractive: {}}
embedding: {lexical: {}}
vectorStore: {memory: {documents: [DOCUMENTS]}}
`

const localCache = "cache: {local: {}}\n"

// running is a service under test.
type running struct {
	url, admin string
	client     *http.Client
	server     *Server // where the test runs the handlers alone
	// stop drains the service and returns what Run returned. It is called at the
	// end of the test unless it was before.
	stop func() error
}

// run starts the service that the configuration describes.
func run(t testing.TB, yaml string) *running {
	t.Helper()
	return runWith(t, yaml, nil)
}

// runWith is run with other options.
func runWith(t testing.TB, yaml string, change func(*Options)) *running {
	t.Helper()
	documents := t.TempDir()
	write(t, filepath.Join(documents, "redis.md"), "# Redis\n\nWhen Redis is gone the answer comes without the cache.\n")
	write(t, filepath.Join(documents, "model.md"), "# Model\n\nWhen the model fails, each of the fallbacks is asked in order.\n")
	cfg, err := config.Parse([]byte(strings.ReplaceAll(yaml, "DOCUMENTS", documents)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan [2]net.Addr, 1)
	ended := make(chan error, 1)
	options := Options{
		Config: cfg, ConfigHash: config.Hash([]byte(yaml)), Version: "test", Log: slog.New(slog.DiscardHandler),
		Listening: func(queries, admin net.Addr) { listening <- [2]net.Addr{queries, admin} },
	}
	if change != nil {
		change(&options)
	}
	go func() { ended <- Run(ctx, options) }()
	r := &running{client: &http.Client{Transport: &http.Transport{}}}
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-ended
		r.client.CloseIdleConnections()
		return err
	}
	select {
	case addresses := <-listening:
		r.url, r.admin = "http://"+addresses[0].String(), "http://"+addresses[1].String()
	case err := <-ended:
		stopped = true
		cancel()
		t.Fatalf("Run: %v", err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// response is one that was read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

func (r *running) do(t testing.TB, method, url, body string, header ...string) response {
	t.Helper()
	got, err := r.exchange(t.Context(), method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// exchange sends a request and reads the response to its end.
func (r *running) exchange(ctx context.Context, method, url, body string, header ...string) (response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, string(data)}, err
}

func (r *running) query(t testing.TB, body string, header ...string) response {
	t.Helper()
	return r.do(t, http.MethodPost, r.url+"/query", body, header...)
}

func fields(t testing.TB, body string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

func TestLegacyContract(t *testing.T) {
	r := run(t, embedded+localCache)
	first := r.query(t, `{"query": "What if Redis is <gone>?"}`)
	if first.status != http.StatusOK {
		t.Fatalf("status %d: %s", first.status, first.body)
	}
	got := fields(t, first.body)
	if diff := cmp.Diff([]string{"answer", "context", "query", "timestamp"}, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if got["query"] != "What if Redis is <gone>?" {
		t.Errorf("query: got %q", got["query"])
	}
	passages, ok := got["context"].([]any)
	if !ok || len(passages) == 0 || !strings.Contains(passages[0].(string), "without the cache") {
		t.Errorf("context: got %v, want the passage about Redis as text first", got["context"])
	}
	at, err := time.Parse(time.RFC3339, got["timestamp"].(string))
	if err != nil || at.Location() != time.UTC || time.Since(at) > time.Minute {
		t.Errorf("timestamp: got %v, want now in UTC", got["timestamp"])
	}
	if first.header.Get("X-Cache") != "MISS" || first.header.Get("X-Request-Id") == "" {
		t.Errorf("headers of the first answer: %v", first.header)
	}

	second := r.query(t, `{"query": "What if Redis is <gone>?"}`, "X-Request-Id", "abc-1")
	if second.body != first.body {
		t.Errorf("the kept answer differs:\n%s\n%s", first.body, second.body)
	}
	for name, want := range map[string]string{"X-Cache": "HIT-L1", "Age": "0", "X-Request-Id": "abc-1", "Content-Type": "application/json"} {
		if got := second.header.Get(name); got != want {
			t.Errorf("%s of the second answer: got %q, want %q", name, got, want)
		}
	}
	health := r.do(t, http.MethodGet, r.url+"/health", "")
	if health.status != http.StatusOK {
		t.Errorf("health: status %d", health.status)
	}
}

func TestExtendedQuery(t *testing.T) {
	r := run(t, embedded+localCache)
	got := fields(t, r.query(t, `{"query": "What if Redis is gone?", "top_k": 1, "include_sources": true}`).body)
	want := []string{"answer", "context", "finish_reason", "model", "query", "sources", "timestamp", "usage", "user_context"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if sources := got["sources"].([]any); len(sources) != 1 || sources[0].(map[string]any)["source"] != "redis.md" {
		t.Errorf("sources: got %v, want redis.md alone", sources)
	}
	for range 2 {
		if got := r.query(t, `{"query": "x", "cache": {"mode": "bypass"}}`).header.Get("X-Cache"); got != "MISS" {
			t.Errorf("bypassing the cache: X-Cache is %s", got)
		}
	}
}

func TestWrongRequests(t *testing.T) {
	r := run(t, embedded+localCache)
	tests := []struct {
		name         string
		method, path string
		body         string
		contentType  string
		wantStatus   int
		wantMessage  string
	}{
		{name: "malformed JSON", body: `{"query": "a"`, wantStatus: 400, wantMessage: "not valid JSON"},
		{name: "no JSON", body: `query=a`, wantStatus: 400, wantMessage: "must be a JSON object"},
		{name: "an array", body: `["a"]`, wantStatus: 400, wantMessage: "must be a JSON object"},
		{name: "nothing", body: ``, wantStatus: 400, wantMessage: "must be a JSON object"},
		{name: "two objects", body: `{"query":"a"}{"query":"b"}`, wantStatus: 400, wantMessage: "more than one"},
		{name: "not UTF-8", body: "{\"query\":\"\xff\"}", wantStatus: 400, wantMessage: "UTF-8"},
		{name: "no query", body: `{}`, wantStatus: 400, wantMessage: "query is missing"},
		{name: "query is a number", body: `{"query": 3}`, wantStatus: 400, wantMessage: "query is a JSON number and must be a string"},
		{name: "empty query", body: `{"query": " \n"}`, wantStatus: 400, wantMessage: "empty"},
		{name: "long query", body: `{"query": "` + strings.Repeat("a", 40_000) + `"}`, wantStatus: 413, wantMessage: "at most 32768"},
		{name: "1 MB query", body: `{"query": "` + strings.Repeat("a", 1<<20) + `"}`, wantStatus: 413, wantMessage: "longer than 1048576 bytes"},
		{name: "unknown field", body: `{"query": "a", "model": "b"}`, wantStatus: 400, wantMessage: `"model" is not known`},
		{name: "top_k", body: `{"query": "a", "top_k": 1000}`, wantStatus: 400, wantMessage: "between 1 and 100"},
		{name: "top_k is text", body: `{"query": "a", "top_k": "b"}`, wantStatus: 400, wantMessage: "top_k is a JSON string and must be a whole number"},
		{name: "filter", body: `{"query": "a", "filter": {"type": "like"}}`, wantStatus: 400, wantMessage: "like"},
		{name: "cache mode", body: `{"query": "a", "cache": {"mode": "always"}}`, wantStatus: 400, wantMessage: "default, bypass or refresh"},
		{name: "method", method: http.MethodGet, wantStatus: 405, wantMessage: "takes POST, not GET"},
		{name: "content type", body: `{"query": "a"}`, contentType: "text/plain", wantStatus: 415, wantMessage: `"text/plain"; send application/json`},
		{name: "path", path: "/nowhere", wantStatus: 404, wantMessage: "nothing at /nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method, path, contentType := tt.method, tt.path, tt.contentType
			if method == "" {
				method = http.MethodPost
			}
			if path == "" {
				path = "/query"
			}
			if contentType == "" {
				contentType = "application/json"
			}
			got := r.do(t, method, r.url+path, tt.body, "Content-Type", contentType)
			message, ok := fields(t, got.body)["error"].(string)
			if got.status != tt.wantStatus || !ok || !strings.Contains(message, tt.wantMessage) {
				t.Errorf("got %d %s, want %d and a message with %q", got.status, got.body, tt.wantStatus, tt.wantMessage)
			}
		})
	}
}

func TestAdminPort(t *testing.T) {
	yaml := embedded + localCache
	r := run(t, yaml)
	r.query(t, `{"query": "a"}`)
	for _, probe := range []string{"/livez", "/readyz", "/startupz"} {
		if got := r.do(t, http.MethodGet, r.admin+probe, ""); got.status != http.StatusOK {
			t.Errorf("%s: status %d", probe, got.status)
		}
	}
	var status config.Status
	if err := json.Unmarshal([]byte(r.do(t, http.MethodGet, r.admin+"/status", "").body), &status); err != nil {
		t.Fatal(err)
	}
	if status.ConfigHash != config.Hash([]byte(yaml)) || !status.Ready || status.Embedding.Dimensions != 2048 {
		t.Errorf("status: %+v", status)
	}
	if got := r.do(t, http.MethodGet, r.admin+"/metrics", ""); !strings.Contains(got.body, `rag_queries_total{outcome="miss"} 1`) {
		t.Errorf("metrics lack the query:\n%s", got.body)
	}
	if got := r.do(t, http.MethodGet, r.admin+"/debug/pprof/", ""); got.status != http.StatusNotFound {
		t.Errorf("pprof: status %d, want it off by default", got.status)
	}
}
