package cache

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func counter(tb testing.TB, c prometheus.Collector) float64 {
	tb.Helper()
	return testutil.ToFloat64(c)
}

func TestMetricsAreWellFormed(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, semanticConfig(func(c *config.Cache) { c.Redis = withRedis(server) }))
	c.Store(c.Key(Request{Question: "q"}), []float32{1, 2}, entry("{}"))
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want no problem", problems, err)
	}
	for _, name := range []string{"rag_cache_requests_total", "rag_cache_local_bytes", "rag_cache_semantic_bytes", "rag_cache_redis_available"} {
		if testutil.CollectAndCount(c, name) == 0 {
			t.Errorf("%s is missing", name)
		}
	}
}
