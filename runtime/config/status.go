package config

import (
	"cmp"
	"slices"
	"time"
)

// Status is what a replica says of itself at GET /status on the admin port, as
// JSON. The operator samples it; it holds no secret, no host and no query text.
type Status struct {
	// Version of the runtime.
	Version string `json:"version"`
	// Service is the configured name.
	Service string `json:"service"`
	// ConfigHash is [Hash] of the bytes of the configuration file in use.
	ConfigHash string `json:"configHash"`
	// Started is when the process began.
	Started time.Time `json:"started"`
	// Ready is what /readyz says: false while starting and while draining.
	Ready bool `json:"ready"`
	// Draining is true from SIGTERM on.
	Draining bool `json:"draining"`
	// Embedding is what is known of the vectors.
	Embedding EmbeddingStatus `json:"embedding"`
	// Dependencies are the servers that the replica asks, in a stable order. One
	// that is embedded in the process is not listed.
	Dependencies []DependencyStatus `json:"dependencies"`
	// Load of the last minute.
	Load LoadStatus `json:"load"`
}

// EmbeddingStatus is what a replica found out about its embedding.
type EmbeddingStatus struct {
	// Identity names provider, model and dimensions.
	Identity string `json:"identity"`
	// Dimensions of the vectors it gave; 0 until it gave one.
	Dimensions int `json:"dimensions"`
	// Configured dimensions; 0 where the configuration leaves them open.
	Configured int `json:"configured,omitempty"`
	// Mismatch is true when the two disagree: no question can be answered then.
	Mismatch bool `json:"mismatch,omitempty"`
}

// Role is what a dependency is to the service.
type Role string

// The roles.
const (
	RoleModel       Role = "model"
	RoleEmbedding   Role = "embedding"
	RoleVectorStore Role = "vectorStore"
	RoleCache       Role = "cache"
	RoleUserContext Role = "userContext"
)

// Reachability is what the last calls of a dependency showed.
type Reachability string

// The states. Unknown is a dependency that was not asked yet.
const (
	Unknown     Reachability = "Unknown"
	Reachable   Reachability = "Reachable"
	Unreachable Reachability = "Unreachable"
)

// DependencyStatus is a server as one replica sees it.
type DependencyStatus struct {
	// Name is of a bounded set, such as openai, pgvector or redis: no host and no
	// model.
	Name  string       `json:"name"`
	Role  Role         `json:"role"`
	State Reachability `json:"state"`
	// Reason is the kind of the last failure, in one CamelCase word, where State
	// is Unreachable.
	Reason string `json:"reason,omitempty"`
	// BreakerOpen is true while it is not asked because it failed repeatedly.
	BreakerOpen bool `json:"breakerOpen,omitempty"`
	// LastSuccess and LastFailure are nil where there was none.
	LastSuccess *time.Time `json:"lastSuccess,omitempty"`
	LastFailure *time.Time `json:"lastFailure,omitempty"`
}

// LoadStatus is the load on one replica, or on several after [MergeLoads].
type LoadStatus struct {
	// Window that the figures are of, in seconds; shorter than a minute just after
	// the start.
	WindowSeconds float64 `json:"windowSeconds"`
	// Queries that ended in the window. A query that was refused for what is wrong
	// with it (status 4xx) or given up by its caller is not counted.
	Queries int64 `json:"queries"`
	// Succeeded of them were answered.
	Succeeded int64 `json:"succeeded"`
	// Hits of those were answered from a cache.
	Hits int64 `json:"hits"`
	// QueriesPerSecond is Queries over WindowSeconds.
	QueriesPerSecond float64 `json:"queriesPerSecond"`
	// QueriesInFlight at this moment, queued ones included.
	QueriesInFlight int64 `json:"queriesInFlight"`
	// MeanSeconds and P95Seconds are how long the answered queries took from their
	// first to their last byte; 0 where none was.
	MeanSeconds float64 `json:"meanSeconds"`
	P95Seconds  float64 `json:"p95Seconds"`
	// SuccessRatio is Succeeded over Queries; nil where there was none.
	SuccessRatio *float64 `json:"successRatio,omitempty"`
	// HitRatio is Hits over Succeeded; nil where there was none.
	HitRatio *float64 `json:"hitRatio,omitempty"`
	// Latencies are the answered queries by how long they took, in rising order,
	// without the empty buckets: what a p95 over several replicas is computed
	// from.
	Latencies []LatencyBucket `json:"latencies,omitempty"`
}

// LatencyBucket counts queries that took at most UpperSeconds, and longer than the
// bucket before.
type LatencyBucket struct {
	UpperSeconds float64 `json:"upperSeconds"`
	Count        int64   `json:"count"`
}

// MergeLoads sums the loads of replicas. The p95 is that of all their queries
// together, not a mean of p95s.
func MergeLoads(loads ...LoadStatus) LoadStatus {
	var sum LoadStatus
	var seconds float64
	counts := map[float64]int64{}
	for _, l := range loads {
		sum.WindowSeconds = max(sum.WindowSeconds, l.WindowSeconds)
		sum.Queries += l.Queries
		sum.Succeeded += l.Succeeded
		sum.Hits += l.Hits
		sum.QueriesPerSecond += l.QueriesPerSecond
		sum.QueriesInFlight += l.QueriesInFlight
		seconds += l.MeanSeconds * float64(l.Succeeded)
		for _, b := range l.Latencies {
			counts[b.UpperSeconds] += b.Count
		}
	}
	for upper, count := range counts {
		sum.Latencies = append(sum.Latencies, LatencyBucket{UpperSeconds: upper, Count: count})
	}
	slices.SortFunc(sum.Latencies, func(a, b LatencyBucket) int { return cmp.Compare(a.UpperSeconds, b.UpperSeconds) })
	if sum.Succeeded > 0 {
		sum.MeanSeconds = seconds / float64(sum.Succeeded)
		sum.HitRatio = new(float64(sum.Hits) / float64(sum.Succeeded))
	}
	if sum.Queries > 0 {
		sum.SuccessRatio = new(float64(sum.Succeeded) / float64(sum.Queries))
	}
	sum.P95Seconds = Quantile(sum.Latencies, 0.95)
	return sum
}

// Quantile is the latency that the share q of the queries kept to, taken as the
// upper bound of its bucket; 0 without queries.
func Quantile(buckets []LatencyBucket, q float64) float64 {
	var total, seen int64
	for _, b := range buckets {
		total += b.Count
	}
	for _, b := range buckets {
		seen += b.Count
		if float64(seen) >= q*float64(total) {
			return b.UpperSeconds
		}
	}
	return 0
}
