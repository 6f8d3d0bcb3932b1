package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Outcome is how a query ended; the value of the label of rag_queries_total.
type Outcome string

// The outcomes. Hit, Stale and Miss are answers.
const (
	// OutcomeHit was answered from a cache tier or the FAQ.
	OutcomeHit Outcome = "hit"
	// OutcomeStale was answered by an expired answer.
	OutcomeStale Outcome = "stale"
	// OutcomeMiss was answered by the model.
	OutcomeMiss Outcome = "miss"
	// OutcomeFailed was not answered because a part failed or time ran out.
	OutcomeFailed Outcome = "failed"
	// OutcomeShed was refused because of overload.
	OutcomeShed Outcome = "shed"
	// OutcomeRejected was refused for what is wrong with it: status 4xx.
	OutcomeRejected Outcome = "rejected"
	// OutcomeCanceled was given up by its caller.
	OutcomeCanceled Outcome = "canceled"
)

var outcomes = []Outcome{
	OutcomeHit, OutcomeStale, OutcomeMiss, OutcomeFailed, OutcomeShed, OutcomeRejected, OutcomeCanceled,
}

// Stage is a part of the pipeline; the value of the label of
// rag_stage_duration_seconds.
type Stage string

// The stages.
const (
	StageCache       Stage = "cache"
	StageEmbed       Stage = "embed"
	StageUserContext Stage = "user_context"
	StageRetrieve    Stage = "retrieve"
	StageGenerate    Stage = "generate"
)

var stages = []Stage{StageCache, StageEmbed, StageUserContext, StageRetrieve, StageGenerate}

// ShedReason is why a query was refused; the value of the label of
// rag_shed_total.
type ShedReason string

// The reasons.
const (
	// ShedQueueFull found no place in the queue.
	ShedQueueFull ShedReason = "queue_full"
	// ShedQueueTimeout waited in the queue for too long.
	ShedQueueTimeout ShedReason = "queue_timeout"
)

// Metrics counts queries. Its methods take no lock and allocate nothing: every
// label combination is resolved when it is made.
type Metrics struct {
	load     *load
	queries  map[Outcome]prometheus.Counter
	duration prometheus.Observer
	stages   map[Stage]prometheus.Observer
	shed     map[ShedReason]prometheus.Counter
	degraded prometheus.Counter

	coalesced    prometheus.Counter
	inputTokens  prometheus.Counter
	outputTokens prometheus.Counter
}

// latencyBuckets are for scrapers without native histograms: from a hit in
// memory to the slowest model.
var latencyBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60}

func histogramOpts(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: latencyBuckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

// NewMetrics registers the query metrics and those of Go and the process.
func NewMetrics(registry *prometheus.Registry) *Metrics {
	queries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rag_queries_total", Help: "Queries that ended, by how they ended.",
	}, []string{"outcome"})
	duration := prometheus.NewHistogram(histogramOpts("rag_query_duration_seconds", "How long answered queries took, from the first to the last byte."))
	stage := prometheus.NewHistogramVec(histogramOpts("rag_stage_duration_seconds", "How long the stages of the pipeline took."), []string{"stage"})
	shed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rag_shed_total", Help: "Queries refused because of overload, by reason.",
	}, []string{"reason"})
	tokens := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rag_tokens_total", Help: "Tokens as the model counted them, by direction.",
	}, []string{"direction"})
	coalesced := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rag_coalesced_total", Help: "Queries that were answered by the work for an equal query in flight.",
	})
	degraded := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rag_user_context_failures_total", Help: "Answers made without what is known about the user because the look-up failed.",
	})
	load := newLoad(time.Now())
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rag_queries_in_flight", Help: "Queries that are worked on or wait for a place.",
	}, func() float64 { return float64(load.inFlight.Load()) })
	rate := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rag_queries_per_second", Help: "Queries per second over the last minute.",
	}, func() float64 { return load.read(time.Now()).QueriesPerSecond })

	registry.MustRegister(queries, duration, stage, shed, tokens, coalesced, degraded, inFlight, rate,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	m := &Metrics{
		load: load, duration: duration, coalesced: coalesced, degraded: degraded,
		queries: map[Outcome]prometheus.Counter{}, stages: map[Stage]prometheus.Observer{}, shed: map[ShedReason]prometheus.Counter{},
		inputTokens: tokens.WithLabelValues("input"), outputTokens: tokens.WithLabelValues("output"),
	}
	for _, o := range outcomes {
		m.queries[o] = queries.WithLabelValues(string(o))
	}
	for _, s := range stages {
		m.stages[s] = stage.WithLabelValues(string(s))
	}
	for _, r := range []ShedReason{ShedQueueFull, ShedQueueTimeout} {
		m.shed[r] = shed.WithLabelValues(string(r))
	}
	return m
}

// QueryStarted counts a query in flight; [Metrics.QueryEnded] must follow.
func (m *Metrics) QueryStarted() { m.load.inFlight.Add(1) }

// QueryEnded counts how a query ended and how long it took.
func (m *Metrics) QueryEnded(outcome Outcome, took time.Duration) {
	m.load.inFlight.Add(-1)
	m.queries[outcome].Inc()
	switch outcome {
	case OutcomeHit, OutcomeStale, OutcomeMiss:
		m.duration.Observe(took.Seconds())
		m.load.answered(time.Now(), took, outcome != OutcomeMiss)
	case OutcomeFailed, OutcomeShed:
		m.load.failed(time.Now())
	case OutcomeRejected, OutcomeCanceled:
		// The caller's doing: neither load nor failure of the service.
	}
}

// StageEnded records how long a stage took that began at start.
func (m *Metrics) StageEnded(stage Stage, start time.Time) {
	m.stages[stage].Observe(time.Since(start).Seconds())
}

// Shed counts a query refused because of overload.
func (m *Metrics) Shed(reason ShedReason) { m.shed[reason].Inc() }

// Coalesced counts a query that joined an equal one in flight.
func (m *Metrics) Coalesced() { m.coalesced.Inc() }

// UserContextFailed counts an answer made without what is known about the user.
func (m *Metrics) UserContextFailed() { m.degraded.Inc() }

// Tokens counts what the model read and wrote.
func (m *Metrics) Tokens(input, output int) {
	m.inputTokens.Add(float64(input))
	m.outputTokens.Add(float64(output))
}
