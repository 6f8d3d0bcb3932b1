package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collects takes in spans as an OpenTelemetry collector does.
type collects struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracev1.Span
}

func newCollector(t *testing.T) *collects {
	t.Helper()
	c := &collects{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(data, &request) != nil {
			http.Error(w, "not a request of OTLP/HTTP", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range request.ResourceSpans {
			for _, s := range r.ScopeSpans {
				c.spans = append(c.spans, s.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func attributes(of []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, kv := range of {
		all[kv.Key] = kv.Value.GetStringValue()
	}
	return all
}

func TestTraces(t *testing.T) {
	c := newCollector(t)
	r := run(t, embedded+localCache+"telemetry: {otlpEndpoint: '"+c.URL+"', traceRatio: 0}\n")
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	first := r.query(t, `{"query": "What if Redis is gone?"}`, "Traceparent", parent)
	r.query(t, `{"query": "What if Redis is gone?"}`, "Traceparent", parent) // a hit
	r.query(t, `{"query": "What if Redis is gone?"}`)                        // in nobody's trace
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := first.header.Get("Traceparent"); !strings.HasPrefix(got, "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
		t.Errorf("traceparent of the answer: %q", got)
	}
	var names, tiers []string
	var generation map[string]string
	for _, s := range c.spans {
		names = append(names, s.Name)
		got := attributes(s.Attributes)
		if s.Name == "POST /query" {
			tiers = append(tiers, got["rag.cache.tier"])
		}
		if s.Name == "chat extractive" {
			generation = got
		}
		for name, value := range got {
			if strings.Contains(value, "Redis is gone") {
				t.Errorf("%s of %s tells the question", name, s.Name)
			}
		}
	}
	slices.Sort(names)
	want := []string{"POST /query", "POST /query", "chat extractive", "embed", "retrieve"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	slices.Sort(tiers)
	if diff := cmp.Diff([]string{"HIT-L1", "MISS"}, tiers); diff != "" {
		t.Errorf("tiers (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "extractive", "gen_ai.request.model": "extractive"} {
		if generation[name] != want {
			t.Errorf("%s: got %q, want %q", name, generation[name], want)
		}
	}
}
