package telemetry

import (
	"sync"
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
	return &roleObserver{Upstreams: u, prefix: string(role) + "/", series: map[attempt]series{}}
}

// roleObserver keeps the series it has found: to look one up by its labels takes
// longer than to count.
type roleObserver struct {
	*Upstreams
	prefix string

	mu     sync.RWMutex
	series map[attempt]series
}

type attempt struct{ upstream, result string }

type series struct {
	requests prometheus.Counter
	duration prometheus.Observer // nil where nobody was called
}

// Called implements upstream.Observer.
func (o *roleObserver) Called(name, result string, took time.Duration) {
	s := o.of(attempt{name, result})
	s.requests.Inc()
	if s.duration != nil {
		s.duration.Observe(took.Seconds())
	}
}

func (o *roleObserver) of(a attempt) series {
	o.mu.RLock()
	s, ok := o.series[a]
	o.mu.RUnlock()
	if ok {
		return s
	}
	s.requests = o.requests.WithLabelValues(o.prefix+a.upstream, a.result)
	if a.result != "open" {
		s.duration = o.duration.WithLabelValues(o.prefix + a.upstream)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.series[a] = s
	return s
}
