package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// Upstreams counts the calls of other servers.
type Upstreams struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewUpstreams registers rag_upstream_requests_total{upstream,result} and how
// long the calls took.
func NewUpstreams(registry *prometheus.Registry) *Upstreams {
	u := &Upstreams{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rag_upstream_requests_total", Help: "Calls of other servers, single attempts each, by server and result.",
		}, []string{"upstream", "result"}),
		duration: prometheus.NewHistogramVec(histogramOpts("rag_upstream_duration_seconds", "How long calls of other servers took, single attempts each."), []string{"upstream"}),
	}
	registry.MustRegister(u.requests, u.duration)
	return u
}

// Of returns the observer of the servers of one role. The label tells the same
// provider in two roles apart, as in model/openai and embedding/openai.
func (u *Upstreams) Of(role config.Role) upstream.Observer {
	return roleObserver{u, string(role) + "/"}
}

type roleObserver struct {
	*Upstreams
	prefix string
}

// Called implements upstream.Observer.
func (o roleObserver) Called(name, result string, took time.Duration) {
	o.requests.WithLabelValues(o.prefix+name, result).Inc()
	if result != "open" { // nobody was called
		o.duration.WithLabelValues(o.prefix + name).Observe(took.Seconds())
	}
}
