package objective

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
)

// State is how an objective stands.
type State string

// The states.
const (
	Met    State = "met"
	Missed State = "missed"
	// NotMeasured is neither: nothing was there to judge by.
	NotMeasured State = "not measured"
)

// Line is the verdict on one objective.
type Line struct {
	// Name as in spec.objectives.
	Name     string `json:"name"`
	Target   string `json:"target"`
	Observed string `json:"observed,omitempty"`
	State    State  `json:"state"`
	// Why it was not measured, or what to know about how it was.
	Why string `json:"why,omitempty"`
}

// Verdict is one line per objective, in the order of the migration guide's table.
type Verdict []Line

// Missed returns the lines that were missed.
func (v Verdict) Missed() []Line {
	var missed []Line
	for _, line := range v {
		if line.State == Missed {
			missed = append(missed, line)
		}
	}
	return missed
}

// Judge compares what was measured with the objectives. The rate may be 1 % below
// its target, which is as near as a run of a few seconds can tell.
func (o Objectives) Judge(s load.Summary) Verdict {
	return Verdict{
		o.judgeRate(s),
		atMostDuration("averageLatency", o.AverageLatency, s.Latency.Count, s.Latency.MeanMs),
		atMostDuration("p95Latency", o.P95Latency, s.Latency.Count, s.Latency.P95Ms),
		atLeastRatio("successRatio", o.SuccessRatio, s.SuccessRatio, "no question came to an end"),
		atLeastRatio("cacheHitRatio", o.CacheHitRatio, s.HitRatio, "no answer had a header X-Cache"),
		atMostPercent("cpuPercent", o.CPUPercent, s.Usage != nil, s.Usage.CPUPercent),
		atMostPercent("memoryPercent", o.MemoryPercent, s.Usage != nil, s.Usage.MemoryPercent),
	}
}

func (o Objectives) judgeRate(s load.Summary) Line {
	line := Line{
		Name: "queriesPerSecond", Target: "≥ " + strconv.FormatFloat(math.Round(10*o.QueriesPerSecond)/10, 'f', -1, 64),
		Observed: fmt.Sprintf("%.1f", s.AchievedPerSecond), State: judged(s.AchievedPerSecond >= 0.99*o.QueriesPerSecond),
	}
	// A run that asks for less cannot show more. One that falls short of even
	// that has missed.
	if p := s.PlannedPerSecond; line.State == Missed && p > 0 && p < o.QueriesPerSecond && s.AchievedPerSecond >= 0.99*s.OfferedPerSecond {
		line.State = NotMeasured
		line.Why = fmt.Sprintf("only %g/s were offered, and all were carried", p)
	}
	return line
}

func judged(met bool) State {
	if met {
		return Met
	}
	return Missed
}

func atMostDuration(name string, target time.Duration, count int64, observedMs float64) Line {
	line := Line{Name: name, Target: "≤ " + target.String()}
	if count == 0 {
		line.State, line.Why = NotMeasured, "no question was answered"
		return line
	}
	line.Observed = fmt.Sprintf("%.1f ms", observedMs)
	line.State = judged(observedMs <= float64(target.Microseconds())/1000)
	return line
}

func atLeastRatio(name string, target float64, observed *float64, missing string) Line {
	line := Line{Name: name, Target: fmt.Sprintf("≥ %g", target)}
	if observed == nil {
		line.State, line.Why = NotMeasured, missing
		return line
	}
	line.Observed = fmt.Sprintf("%.4f", *observed)
	line.State = judged(*observed >= target)
	return line
}

func atMostPercent(name string, target float64, measured bool, observed func() (float64, bool)) Line {
	line := Line{Name: name, Target: fmt.Sprintf("≤ %g %%", target)}
	percent, ok := observed()
	switch {
	case !measured:
		line.State, line.Why = NotMeasured, "say what to measure with --pid, --pods or --prometheus"
	case !ok:
		line.State, line.Why = NotMeasured, "no limit is known to compare with"
	default:
		line.Observed = fmt.Sprintf("%.1f %%", percent)
		line.State = judged(percent <= target)
	}
	return line
}
