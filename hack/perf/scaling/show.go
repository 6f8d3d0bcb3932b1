package scaling

import (
	"fmt"
	"strconv"
	"strings"

	"ragops.dev/ragservice/ragctl/bench/report"
)

// Table is the comparison in Markdown, one column for each service.
func (c *Comparison) Table() string {
	var b strings.Builder
	row := func(title string, cell func(Run) string) {
		fmt.Fprintf(&b, "| %s |", title)
		for _, r := range c.Runs {
			fmt.Fprintf(&b, " %s |", cell(r))
		}
		b.WriteByte('\n')
	}
	row("", func(r Run) string { return "`" + r.Targets + "`" })
	b.WriteString("|---|" + strings.Repeat("---|", len(c.Runs)) + "\n")
	row("replicas at first", func(r Run) string { return strconv.Itoa(int(r.Replicas[0].Ready)) })
	row("replicas at most", func(r Run) string { return strconv.Itoa(int(r.Most())) })
	row("first new replica ready", func(r Run) string { return r.newReplica(r.Replicas[0].Ready + 1) })
	row("last new replica ready", func(r Run) string { return r.newReplica(max(r.Most(), r.Replicas[0].Ready+1)) })
	row("p95 before that", func(r Run) string { return c.p95(r, 0) })
	row("p95 after it, under the same load", func(r Run) string { return c.p95(r, c.settled()) })
	row("most CPU in use, of the request", func(r Run) string {
		if r.CPUPercent == 0 {
			return "not looked at"
		}
		return fmt.Sprintf("%d %%", r.CPUPercent)
	})
	row("queries answered", func(r Run) string { return strconv.Itoa(r.Answered) })
	row("queries failed", func(r Run) string { return strconv.Itoa(r.Failed) })
	return b.String()
}

func (r Run) newReplica(n int32) string {
	if seconds, ok := r.ReadyAfter(n); ok {
		return fmt.Sprintf("after %.0f s", seconds)
	}
	return "never"
}

// settled is when the last of all new replicas was ready.
func (c *Comparison) settled() float64 {
	var last float64
	for _, r := range c.Runs {
		if seconds, ok := r.ReadyAfter(r.Most()); ok {
			last = max(last, seconds)
		}
	}
	return last
}

// p95 is the range of the intervals' p95: of those that lie before the settling
// where from is 0, or else of those from then to the end of the load.
func (c *Comparison) p95(r Run, from float64) string {
	to := c.settled()
	if from > 0 {
		// Queries that were waiting when the replica came still took long.
		from, to = from+2*IntervalLength.Seconds(), c.Load[min(1, len(c.Load)-1)].Seconds
	}
	low, high := int64(0), int64(0)
	for _, i := range r.Latency {
		if i.Seconds < from || i.Seconds+IntervalLength.Seconds() > to {
			continue
		}
		if low == 0 || i.P95Ms < low {
			low = i.P95Ms
		}
		high = max(high, i.P95Ms)
	}
	if high == 0 {
		return "not measured"
	}
	least, most := fmt.Sprintf("%.1f", float64(low)/1000), fmt.Sprintf("%.1f", float64(high)/1000)
	if least == most {
		return most + " s"
	}
	return least + " to " + most + " s"
}

// The plots.
const (
	xLabel       = "seconds since the load began"
	replicasName = "scaling-replicas.svg"
	latencyName  = "scaling-p95.svg"
)

// Plots are SVG files by their names.
func (c *Comparison) Plots() map[string]string {
	replicas := report.Chart{Title: "Ready replicas under the same load", XLabel: xLabel, YLabel: "ready replicas"}
	latency := report.Chart{
		Title: "p95 of the queries answered in 5 s", XLabel: xLabel, YLabel: "seconds",
		YFormat: func(ms float64) string { return fmt.Sprintf("%.1f", ms/1000) },
	}
	for _, r := range c.Runs {
		ready, p95 := report.Series{Name: r.Targets}, report.Series{Name: r.Targets}
		for i, s := range r.Replicas {
			if i > 0 { // steps
				ready.Points = append(ready.Points, [2]float64{max(0, s.Seconds), float64(r.Replicas[i-1].Ready)})
			}
			ready.Points = append(ready.Points, [2]float64{max(0, s.Seconds), float64(s.Ready)})
		}
		if end := c.end(); len(ready.Points) > 0 {
			ready.Points = append(ready.Points, [2]float64{end, ready.Points[len(ready.Points)-1][1]})
		}
		for _, i := range r.Latency {
			p95.Points = append(p95.Points, [2]float64{i.Seconds + IntervalLength.Seconds()/2, float64(i.P95Ms)})
		}
		replicas.Series, latency.Series = append(replicas.Series, ready), append(latency.Series, p95)
	}
	return map[string]string{replicasName: replicas.SVG(true) + "\n", latencyName: latency.SVG(true) + "\n"}
}

// end is the end of the last interval of all.
func (c *Comparison) end() float64 {
	var end float64
	for _, r := range c.Runs {
		for _, i := range r.Latency {
			end = max(end, i.Seconds+IntervalLength.Seconds())
		}
	}
	return end
}
