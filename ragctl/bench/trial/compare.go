package trial

import (
	"context"
	"errors"
	"fmt"

	"ragops.dev/ragservice/ragctl/bench/load"
)

// The bounds of a comparison.
const (
	MaxTargets = 8
	MaxRounds  = 100
)

// Metric is a figure of a summary that targets are compared by.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// HigherIsBetter says which way is good.
	HigherIsBetter bool `json:"higherIsBetter"`
	// Values are the mean over the rounds, one per target.
	Values []float64 `json:"values"`
	// Ratios to the first target; nil for it, and where there is none.
	Ratios []*Ratio `json:"ratios"`
}

// Comparison is what comparing targets gave.
type Comparison struct {
	Targets []string `json:"targets"`
	// Rounds that every target took part in.
	Rounds int `json:"rounds"`
	// Interrupted says that fewer rounds ran than asked for.
	Interrupted bool     `json:"interrupted,omitempty"`
	Metrics     []Metric `json:"metrics"`
	// Results by target and round.
	Results [][]*load.Result `json:"results"`
}

// metrics are the figures compared, in the order they are shown. A figure that was
// not measured is negative.
var metrics = []struct {
	name, unit string
	higher     bool
	value      func(load.Summary) float64
}{
	{"achieved", "/s", true, func(s load.Summary) float64 { return s.AchievedPerSecond }},
	{"mean latency", "ms", false, func(s load.Summary) float64 { return s.Latency.MeanMs }},
	{"p50 latency", "ms", false, func(s load.Summary) float64 { return s.Latency.P50Ms }},
	{"p90 latency", "ms", false, func(s load.Summary) float64 { return s.Latency.P90Ms }},
	{"p95 latency", "ms", false, func(s load.Summary) float64 { return s.Latency.P95Ms }},
	{"p99 latency", "ms", false, func(s load.Summary) float64 { return s.Latency.P99Ms }},
	{"first token, p50", "ms", false, func(s load.Summary) float64 {
		if s.FirstToken == nil {
			return -1
		}
		return s.FirstToken.P50Ms
	}},
	{"success ratio", "", true, func(s load.Summary) float64 { return known(s.SuccessRatio) }},
	{"cache hit ratio", "", true, func(s load.Summary) float64 { return known(s.HitRatio) }},
	{"CPU", "cores", false, func(s load.Summary) float64 {
		if s.Usage == nil {
			return -1
		}
		return s.Usage.MeanCores
	}},
	{"answers per CPU second", "", true, func(s load.Summary) float64 {
		if s.Usage == nil || s.Usage.MeanCores == 0 {
			return -1
		}
		return s.AchievedPerSecond / s.Usage.MeanCores
	}},
	{"memory", "MiB", false, func(s load.Summary) float64 {
		if s.Usage == nil {
			return -1
		}
		return float64(s.Usage.MaxMemoryBytes) / (1 << 20)
	}},
}

func known(v *float64) float64 {
	if v == nil {
		return -1
	}
	return *v
}

// Compare runs the plans in turn, one slice each per round, so that what changes
// on the machine or the network over time meets all targets alike. The order
// changes with each round: no target always follows the same one. began is told
// before each slice and may be nil. When ctx ends, the rounds that are whole are
// returned.
func Compare(ctx context.Context, plans []load.Plan, rounds int, began func(round, target int)) (*Comparison, error) {
	if len(plans) < 2 || len(plans) > MaxTargets {
		return nil, fmt.Errorf("a comparison has between 2 and %d targets, not %d", MaxTargets, len(plans))
	}
	if rounds < 1 || rounds > MaxRounds {
		return nil, fmt.Errorf("%d rounds are out of bounds: it must be between 1 and %d", rounds, MaxRounds)
	}
	c := &Comparison{Results: make([][]*load.Result, len(plans))}
	for _, plan := range plans {
		c.Targets = append(c.Targets, plan.Target.Name)
	}
	for round := range rounds {
		results, err := runRound(ctx, plans, round, began)
		if err != nil {
			return nil, err
		}
		if results == nil {
			c.Interrupted = true
			break
		}
		for i, result := range results {
			c.Results[i] = append(c.Results[i], result)
		}
		c.Rounds++
	}
	if c.Rounds == 0 {
		return nil, errors.New("interrupted before the first round was whole: nothing to compare")
	}
	c.measure()
	return c, nil
}

// runRound returns nil where ctx ended in it.
func runRound(ctx context.Context, plans []load.Plan, round int, began func(round, target int)) ([]*load.Result, error) {
	results := make([]*load.Result, len(plans))
	for k := range plans {
		i := (k + round) % len(plans)
		if round/len(plans)%2 == 1 {
			i = len(plans) - 1 - i
		}
		if began != nil {
			began(round, i)
		}
		plan := plans[i]
		// Each round asks questions of its own, the same of every target.
		plan.Seed += uint64(round)
		result, err := load.Run(ctx, plan)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", plan.Target.Name, err)
		}
		if result.Interrupted {
			return nil, nil
		}
		results[i] = result
	}
	return results, nil
}

// measure fills in the metrics that every target has.
func (c *Comparison) measure() {
	for _, m := range metrics {
		out := Metric{Name: m.name, Unit: m.unit, HigherIsBetter: m.higher}
		var base []float64
		measured := true
		for i, results := range c.Results {
			values := make([]float64, len(results))
			mean := 0.0
			for round, result := range results {
				values[round] = m.value(result.Total)
				measured = measured && values[round] >= 0
				mean += values[round] / float64(len(results))
			}
			out.Values = append(out.Values, mean)
			if i == 0 {
				base = values
				out.Ratios = append(out.Ratios, nil)
				continue
			}
			out.Ratios = append(out.Ratios, PairedRatio(values, base))
		}
		if measured {
			c.Metrics = append(c.Metrics, out)
		}
	}
}
