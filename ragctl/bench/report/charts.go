package report

import (
	"math"
	"strconv"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

func msFormat(v float64) string { return ms(v) }

// Named is the distribution of a target's latency.
type Named struct {
	Name         string
	Distribution []load.Quantile
}

// DistributionChart shows latency by percentile, with the rare slow answers drawn
// apart: each step on the x axis is a tenth of what was left.
func DistributionChart(of ...Named) Chart {
	c := Chart{
		Title: "Latency distribution", XLabel: "percentile", YLabel: "latency", LogY: true, YFormat: msFormat,
		XTicks: []Tick{{0, "0"}, {position(50), "50"}, {1, "90"}, {2, "99"}, {3, "99.9"}, {4, "99.99"}, {5, "99.999"}, {6, "99.9999"}},
	}
	for _, n := range of {
		s := Series{Name: n.Name}
		for _, q := range n.Distribution {
			if q.Percent < 100 {
				s.Points = append(s.Points, [2]float64{position(q.Percent), q.LatencyMs})
			}
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// position of a percentile on the axis of a distribution.
func position(percent float64) float64 { return -math.Log10(1 - percent/100) }

// line picks one value of each point of a run.
func line(name string, points []load.Point, value func(load.Point) float64) Series {
	s := Series{Name: name}
	for _, p := range points {
		s.Points = append(s.Points, [2]float64{p.Seconds, value(p)})
	}
	return s
}

// answered leaves out intervals without an answer, which have no latency.
func answered(value func(load.Point) float64) func(load.Point) float64 {
	return func(p load.Point) float64 {
		if p.AnsweredPerSecond == 0 {
			return math.NaN()
		}
		return value(p)
	}
}

// chartsOfRun are all plots of one run.
func chartsOfRun(r *load.Result) []Chart {
	const seconds = "seconds since the start"
	charts := []Chart{
		DistributionChart(Named{r.Target, r.Distribution}),
		{Title: "Latency over time", XLabel: seconds, YLabel: "latency", LogY: true, YFormat: msFormat, Series: []Series{
			line("p50", r.Series, answered(func(p load.Point) float64 { return p.P50Ms })),
			line("p95", r.Series, answered(func(p load.Point) float64 { return p.P95Ms })),
			line("p99", r.Series, answered(func(p load.Point) float64 { return p.P99Ms })),
			line("max", r.Series, answered(func(p load.Point) float64 { return p.MaxMs })),
		}},
		throughputChart(r, seconds),
		{Title: "In flight over time", XLabel: seconds, YLabel: "questions in flight", Series: []Series{
			line("in flight", r.Series, func(p load.Point) float64 { return float64(p.InFlight) }),
		}},
		StageChart(r),
	}
	return append(charts, usageCharts(r, seconds)...)
}

func throughputChart(r *load.Result, seconds string) Chart {
	c := Chart{Title: "Rate over time", XLabel: seconds, YLabel: "questions per second", Series: []Series{
		line("answered", r.Series, func(p load.Point) float64 { return p.AnsweredPerSecond }),
		line("failed", r.Series, func(p load.Point) float64 { return p.FailedPerSecond }),
	}}
	if r.Clients == 0 {
		offered := line("offered", r.Series, func(p load.Point) float64 { return p.OfferedPerSecond })
		offered.Dashed = true
		c.Series = append(c.Series, offered)
	}
	return c
}

// StageChart shows the rate of each stage against its latency.
func StageChart(r *load.Result) Chart {
	c := Chart{Title: "Rate against latency", XLabel: "achieved per second", YLabel: "latency", LogY: true, YFormat: msFormat}
	for _, q := range []struct {
		name  string
		value func(load.Latency) float64
	}{
		{"p50", func(l load.Latency) float64 { return l.P50Ms }},
		{"p95", func(l load.Latency) float64 { return l.P95Ms }},
		{"p99", func(l load.Latency) float64 { return l.P99Ms }},
	} {
		s := Series{Name: q.name}
		for _, stage := range r.Stages {
			s.Points = append(s.Points, [2]float64{stage.AchievedPerSecond, q.value(stage.Latency)})
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// usageCharts are empty where no usage was measured.
func usageCharts(r *load.Result, seconds string) []Chart {
	cpu := Series{Name: "cores in use"}
	memory := Series{Name: "memory in use"}
	for _, p := range r.Series {
		if p.Usage != nil {
			cpu.Points = append(cpu.Points, [2]float64{p.Seconds, p.Usage.Cores})
			memory.Points = append(memory.Points, [2]float64{p.Seconds, float64(p.Usage.MemoryBytes) / (1 << 20)})
		}
	}
	if len(cpu.Points) == 0 {
		return nil
	}
	return []Chart{
		{Title: "CPU over time", XLabel: seconds, YLabel: "cores", Series: []Series{cpu}},
		{Title: "Memory over time", XLabel: seconds, YLabel: "MiB", Series: []Series{memory}},
	}
}

// chartsOfComparison shows the targets side by side: their last round's
// distribution, and p95 and rate by round.
func chartsOfComparison(c *trial.Comparison) []Chart {
	var distributions []Named
	p95 := Chart{Title: "p95 latency by round", XLabel: "round", YLabel: "latency", YFormat: msFormat}
	rate := Chart{Title: "Rate achieved by round", XLabel: "round", YLabel: "answers per second"}
	for round := range c.Rounds {
		tick := Tick{float64(round + 1), strconv.Itoa(round + 1)}
		p95.XTicks, rate.XTicks = append(p95.XTicks, tick), append(rate.XTicks, tick)
	}
	for i, name := range c.Targets {
		results := c.Results[i]
		distributions = append(distributions, Named{name, results[len(results)-1].Distribution})
		slow, achieved := Series{Name: name}, Series{Name: name}
		for round, r := range results {
			slow.Points = append(slow.Points, [2]float64{float64(round + 1), r.Total.Latency.P95Ms})
			achieved.Points = append(achieved.Points, [2]float64{float64(round + 1), r.Total.AchievedPerSecond})
		}
		p95.Series, rate.Series = append(p95.Series, slow), append(rate.Series, achieved)
	}
	distribution := DistributionChart(distributions...)
	distribution.Title = "Latency distribution, last round"
	return []Chart{distribution, p95, rate}
}

// CapacityChart shows the p95 latency of every rate that was tried.
func CapacityChart(capacities []*trial.Capacity) Chart {
	c := Chart{Title: "Rate against latency", XLabel: "offered per second", YLabel: "p95 latency", LogX: true, LogY: true, YFormat: msFormat}
	for _, capacity := range capacities {
		c.Series = append(c.Series, Series{Name: capacity.Target, Points: byRate(capacity.Trials)})
	}
	return c
}
