package cache

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func counter(tb testing.TB, c prometheus.Collector) float64 {
	tb.Helper()
	return testutil.ToFloat64(c)
}
