package telemetry

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsFollowPrometheusConventions(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	for _, o := range outcomes {
		m.QueryStarted()
		m.QueryEnded(o, time.Millisecond)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, name := range []string{
		"rag_queries_total", "rag_query_duration_seconds", "rag_stage_duration_seconds", "rag_queries_in_flight",
		"rag_queries_per_second", "rag_coalesced_total", "rag_shed_total", "rag_tokens_total", "go_goroutines",
	} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n == 0 {
			t.Errorf("%s: %d series, error %v; want at least one series", name, n, err)
		}
	}
}

func TestQueryMetricsAllocateNothing(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry())
	m.QueryEnded(OutcomeHit, time.Millisecond) // makes the histogram's bucket
	if n := testing.AllocsPerRun(100, func() {
		m.QueryStarted()
		m.QueryEnded(OutcomeHit, time.Millisecond)
	}); n > 0 {
		t.Errorf("a hit allocates %v times", n)
	}
}
