package cache

import "github.com/prometheus/client_golang/prometheus"

// metrics counts what the tiers do. Labels are of bounded sets: never a user, a
// tenant or a question.
type metrics struct {
	requests *prometheus.CounterVec
	drops    *prometheus.CounterVec
	local    tierMetrics
	redis    tierMetrics
	semantic tierMetrics

	faq, faqSemantic tierMetrics

	guarded       prometheus.Counter
	invalidations prometheus.Counter
}

// tierMetrics are the counters of one tier, looked up once.
type tierMetrics struct {
	fresh, stale, miss, skipped, failed prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rag_cache_requests_total",
			Help: "Look-ups by cache tier (local, redis, semantic, faq, faq_semantic) and result (hit, stale, miss, skipped, error).",
		}, []string{"tier", "result"}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rag_cache_write_dropped_total",
			Help: "Answers that were not written to Redis, by reason.",
		}, []string{"reason"}),
		guarded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rag_cache_semantic_guarded_total",
			Help: "Similar questions that were kept apart because their words differ in meaning.",
		}),
		invalidations: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rag_cache_invalidations_total",
			Help: "Invalidations that this replica was asked for.",
		}),
	}
	m.local, m.redis, m.semantic = m.tier("local"), m.tier("redis"), m.tier("semantic")
	m.faq, m.faqSemantic = m.tier("faq"), m.tier("faq_semantic")
	for _, reason := range dropReasons { // a rate has no first value to miss
		m.drops.WithLabelValues(reason)
	}
	return m
}

func (m *metrics) tier(name string) tierMetrics {
	result := func(r string) prometheus.Counter { return m.requests.WithLabelValues(name, r) }
	return tierMetrics{
		fresh: result("hit"), stale: result("stale"), miss: result("miss"),
		skipped: result("skipped"), failed: result("error"),
	}
}

func (t tierMetrics) count(h Hit) {
	if h.Stale {
		t.stale.Inc()
		return
	}
	t.fresh.Inc()
}

func (t tierMetrics) found(ok bool) {
	if ok {
		t.fresh.Inc()
		return
	}
	t.miss.Inc()
}

func (m *metrics) dropped(reason string, n int) {
	m.drops.WithLabelValues(reason).Add(float64(n))
}

// collectors are all that is counted.
func (m *metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.drops, m.guarded, m.invalidations}
}

// What is measured when it is asked for.
var (
	localBytes = prometheus.NewDesc("rag_cache_local_bytes",
		"Memory that answers in this process take.", nil, nil)
	semanticSize = prometheus.NewDesc("rag_cache_semantic_bytes",
		"Memory that the vectors of questions take in this process.", nil, nil)
	redisAvailable = prometheus.NewDesc("rag_cache_redis_available",
		"1 while Redis is asked, 0 while it is left alone because it failed.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (c *Cache) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.metrics.collectors() {
		m.Describe(ch)
	}
	ch <- localBytes
	ch <- semanticSize
	ch <- redisAvailable
}

// Collect implements [prometheus.Collector].
func (c *Cache) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.metrics.collectors() {
		m.Collect(ch)
	}
	if c.local != nil {
		ch <- prometheus.MustNewConstMetric(localBytes, prometheus.GaugeValue, float64(c.local.entries.WeightedSize()))
	}
	if c.semantic != nil {
		ch <- prometheus.MustNewConstMetric(semanticSize, prometheus.GaugeValue, float64(c.semantic.size()))
	}
	if c.conn != nil {
		available := 0.0
		if c.conn.Available() {
			available = 1
		}
		ch <- prometheus.MustNewConstMetric(redisAvailable, prometheus.GaugeValue, available)
	}
}

var _ prometheus.Collector = (*Cache)(nil)
