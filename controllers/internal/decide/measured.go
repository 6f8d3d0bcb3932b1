package decide

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/status"
	"ragops.dev/ragservice/runtime/config"
)

// Measured is what the running pods of a service report, rounded, so that two
// measurements of the same state are equal.
type Measured struct {
	// Pods that answered, and Silent ones that did not.
	Pods, Silent int
	// Load of all pods together.
	Load config.LoadStatus
	// Dependencies as the pods see them.
	Dependencies []Dependency
	// ConfigHash that all pods run; empty while they differ.
	ConfigHash string
	// Mismatch of the embedding's dimensions; nil where there is none.
	Mismatch *Mismatch
}

// Dependency is a server and how many pods reach it.
type Dependency struct {
	Role config.Role
	Name string
	// Reachable, Unreachable and Unknown count pods.
	Reachable, Unreachable, Unknown int
	// Reason of a failure.
	Reason string
}

// Mismatch is an embedding whose vectors are of another length than configured.
type Mismatch struct{ Configured, Observed int }

// enough is how many queries it takes to judge a ratio or a latency.
const enough = 20

// Round leaves of every figure what a person reads: three digits of rates and
// latencies, hundredths of ratios.
func Round(l config.LoadStatus) config.LoadStatus {
	l.QueriesPerSecond = digits(l.QueriesPerSecond)
	l.MeanSeconds = digits(l.MeanSeconds)
	l.P95Seconds = digits(l.P95Seconds)
	l.SuccessRatio = hundredths(l.SuccessRatio)
	l.HitRatio = hundredths(l.HitRatio)
	// The counts themselves differ with every look; whether there are enough does not.
	l.Queries, l.Succeeded, l.Hits = min(l.Queries, enough), min(l.Succeeded, enough), min(l.Hits, enough)
	return l
}

func digits(f float64) float64 {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 3, 64), 64)
	if err != nil {
		return 0
	}
	return rounded
}

func hundredths(f *float64) *float64 {
	if f == nil {
		return nil
	}
	return new(math.Round(*f*100) / 100)
}

// Load is the load as the status shows it; nil where nothing was measured.
func Load(s Snapshot) *v1alpha1.LoadStatus {
	if s.Measured == nil || s.Measured.Pods == 0 {
		return nil
	}
	l := s.Measured.Load
	load := &v1alpha1.LoadStatus{
		QueriesPerSecond: number(l.QueriesPerSecond),
		QueriesInFlight:  int32(min(l.QueriesInFlight, math.MaxInt32)),
	}
	if l.Succeeded > 0 {
		load.P95Latency = latency(l.P95Seconds)
	}
	if l.HitRatio != nil {
		load.CacheHitRatio = number(*l.HitRatio)
	}
	return load
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func latency(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(10 * time.Microsecond).String()
}

// Objectives are the declared ones against what was measured.
func Objectives(s Snapshot) []v1alpha1.ObjectiveStatus {
	o := s.Service.Spec.Objectives
	var load config.LoadStatus
	if s.Measured != nil {
		load = s.Measured.Load
	}
	judge := judge{enough: load.Queries >= enough}
	judge.atLeast("queriesPerSecond", number(float64(o.QueriesPerSecond)), float64(o.QueriesPerSecond), &load.QueriesPerSecond)
	if o.AverageLatency != nil {
		judge.atMost("averageLatency", o.AverageLatency.Duration, load.MeanSeconds)
	}
	if o.P95Latency != nil {
		judge.atMost("p95Latency", o.P95Latency.Duration, load.P95Seconds)
	}
	judge.ratio("successRatio", o.SuccessRatio, load.SuccessRatio)
	if s.Service.Spec.Cache != nil {
		judge.ratio("cacheHitRatio", o.CacheHitRatio, load.HitRatio)
	}
	judge.usage(s)
	return judge.result
}

type judge struct {
	enough bool
	result []v1alpha1.ObjectiveStatus
}

// atLeast judges a rate of traffic: less of it than declared says that there is no
// more traffic, not that the service could not carry it.
func (j *judge) atLeast(name, target string, want float64, got *float64) {
	status := v1alpha1.ObjectiveStatus{Name: name, Target: target}
	if j.enough {
		status.Observed = number(*got)
		if *got >= want {
			status.Met = new(true)
		}
	}
	j.result = append(j.result, status)
}

func (j *judge) atMost(name string, want time.Duration, seconds float64) {
	status := v1alpha1.ObjectiveStatus{Name: name, Target: want.String()}
	if j.enough {
		status.Observed = latency(seconds)
		status.Met = new(seconds <= want.Seconds())
	}
	j.result = append(j.result, status)
}

func (j *judge) ratio(name string, want v1alpha1.Ratio, got *float64) {
	if want == "" {
		return
	}
	status := v1alpha1.ObjectiveStatus{Name: name, Target: string(want)}
	target, err := strconv.ParseFloat(string(want), 64)
	if err == nil && j.enough && got != nil {
		status.Observed = number(*got)
		status.Met = new(*got >= target)
	}
	j.result = append(j.result, status)
}

// objectivesMet sums the objectives up. Ready does not depend on it.
func objectivesMet(s Snapshot) *metav1.Condition {
	var missed, kept []string
	for _, o := range Objectives(s) {
		switch {
		case o.Met == nil:
		case *o.Met:
			kept = append(kept, o.Name)
		default:
			missed = append(missed, fmt.Sprintf("%s is %s, want %s", o.Name, o.Observed, o.Target))
		}
	}
	switch {
	case len(missed) > 0:
		return status.False(v1alpha1.ConditionObjectivesMet, v1alpha1.ReasonMissed, strings.Join(missed, "; "))
	case len(kept) > 0:
		return status.True(v1alpha1.ConditionObjectivesMet, v1alpha1.ReasonSucceeded, "kept: "+strings.Join(kept, ", "))
	default:
		return status.Unknown(v1alpha1.ConditionObjectivesMet, v1alpha1.ReasonMeasuring, fmt.Sprintf("fewer than %d queries in the last minute", enough))
	}
}

// dependenciesReachable is what the pods say of the servers they ask; nil as long
// as no pod answers. What a query can do without, such as the cache, is not in it.
func dependenciesReachable(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionDependenciesReachable
	if s.Measured == nil || s.Measured.Pods == 0 {
		return nil
	}
	var failing, unknown []string
	asked := 0
	for _, d := range s.Measured.Dependencies {
		if d.Role == config.RoleCache {
			continue
		}
		asked++
		switch {
		case d.Unreachable > 0:
			failing = append(failing, unreachable(d))
		case d.Reachable == 0:
			unknown = append(unknown, fmt.Sprintf("%s (%s)", d.Name, d.Role))
		}
	}
	switch {
	case s.Measured.Mismatch != nil:
		return status.False(kind, v1alpha1.ReasonEmbeddingMismatch, mismatch(*s.Measured.Mismatch))
	case len(failing) > 0:
		return status.False(kind, v1alpha1.ReasonNotReachable, strings.Join(failing, "; "))
	case len(unknown) > 0:
		return status.Unknown(kind, v1alpha1.ReasonMeasuring, "not asked yet: "+strings.Join(unknown, ", "))
	case asked == 0:
		return status.True(kind, v1alpha1.ReasonSucceeded, "the pods ask no other server")
	default:
		return status.True(kind, v1alpha1.ReasonSucceeded, "the pods reach all that they ask")
	}
}

func unreachable(d Dependency) string {
	text := fmt.Sprintf("%s (%s) is not reached by %d of %d replicas", d.Name, d.Role, d.Unreachable, d.Reachable+d.Unreachable+d.Unknown)
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return text
}

func mismatch(m Mismatch) string {
	return fmt.Sprintf("the embedding gives vectors of %d dimensions, and spec.embedding.dimensions says %d: no question can be answered until they agree", m.Observed, m.Configured)
}

// externalCache is what the pods say of a Redis that runs elsewhere; nil while
// nobody knows.
func externalCache(s Snapshot) *metav1.Condition {
	if s.Measured == nil {
		return nil
	}
	for _, d := range s.Measured.Dependencies {
		switch {
		case d.Role != config.RoleCache:
		case d.Unreachable > 0:
			return status.False(v1alpha1.ConditionCacheAvailable, v1alpha1.ReasonNotReachable, unreachable(d)+"; queries are answered without it")
		case d.Reachable > 0:
			return status.True(v1alpha1.ConditionCacheAvailable, v1alpha1.ReasonSucceeded, "the pods reach Redis")
		}
	}
	return nil
}
