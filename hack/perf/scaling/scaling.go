// Package scaling holds what was measured of services that scale under one load,
// each on targets of its own, and shows it as a table and as plots. The end-to-end
// tests measure it (make bench-scaling); this package starts nothing and computes
// nothing that is not in the data.
package scaling

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"time"
)

// Comparison is services under the same load at the same time.
type Comparison struct {
	// Load is who asked how many questions at once, from when on.
	Load []Load `json:"load"`
	Runs []Run  `json:"runs"`
}

// Load is a number of callers from a moment on.
type Load struct {
	Seconds float64 `json:"seconds"`
	Callers int     `json:"callers"`
}

// Run is what was measured of one service. Moments are in seconds since the load
// began.
type Run struct {
	// Targets that the service scales on, as in its spec.
	Targets string `json:"targets"`
	// Replicas whenever their number changed, the first entry at 0 or before.
	Replicas []Replicas `json:"replicas"`
	// Latency of the answers in each interval.
	Latency []Interval `json:"latency"`
	// Answered and Failed queries in all.
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	// CPUPercent is the most of the pods' CPU request that the autoscaler saw in
	// use; 0 where it does not look.
	CPUPercent int32 `json:"cpuPercent,omitempty"`
}

// Replicas from a moment on.
type Replicas struct {
	Seconds float64 `json:"seconds"`
	// Wanted are those that the autoscaler asks for, Ready those that take queries.
	Wanted int32 `json:"wanted"`
	Ready  int32 `json:"ready"`
}

// Interval is the queries that were answered in it.
type Interval struct {
	// Seconds is where it begins.
	Seconds  float64 `json:"seconds"`
	Answered int     `json:"answered"`
	P95Ms    int64   `json:"p95Ms"`
}

// Answer is a query that was answered.
type Answer struct{ At, Took time.Duration }

// IntervalLength is how long an interval is.
const IntervalLength = 5 * time.Second

// Intervals sorts answers into intervals and takes the p95 of each: the smallest
// time within which 95 of 100 were answered. An interval without an answer is left
// out, and so are answers from before 0.
func Intervals(answers []Answer) []Interval {
	byInterval := map[int][]time.Duration{}
	for _, a := range answers {
		if a.At >= 0 {
			i := int(a.At / IntervalLength)
			byInterval[i] = append(byInterval[i], a.Took)
		}
	}
	var all []Interval
	for i, took := range byInterval {
		slices.Sort(took)
		rank := int(math.Ceil(0.95*float64(len(took)))) - 1
		all = append(all, Interval{
			Seconds:  (time.Duration(i) * IntervalLength).Seconds(),
			Answered: len(took), P95Ms: took[rank].Milliseconds(),
		})
	}
	slices.SortFunc(all, func(a, b Interval) int { return int(a.Seconds - b.Seconds) })
	return all
}

// Most is the largest number of ready replicas.
func (r Run) Most() int32 {
	var most int32
	for _, s := range r.Replicas {
		most = max(most, s.Ready)
	}
	return most
}

// ReadyAfter is when n replicas were ready for the first time; false where they
// never were.
func (r Run) ReadyAfter(n int32) (seconds float64, ok bool) {
	for _, s := range r.Replicas {
		if s.Ready >= n {
			return s.Seconds, true
		}
	}
	return 0, false
}

// Read reads a comparison from a file.
func Read(path string) (*Comparison, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &Comparison{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Write writes the comparison to a file.
func (c *Comparison) Write(path string) error {
	data, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
