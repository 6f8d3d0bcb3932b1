package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"ratio": Ratio, "number": number, "ms": ms, "percent": percent,
}).Parse(page))

// Report is what a page shows; what is nil is left out.
type Report struct {
	Run        *load.Result
	Verdict    objective.Verdict
	Comparison *trial.Comparison
	Capacities []*trial.Capacity
}

// view is the page's own form of a report.
type view struct {
	Report

	Title, When string
	Style       template.CSS
	Facts       []fact
	Charts      []template.HTML
}

// WriteHTML writes the report as one file that needs nothing else.
func (r Report) WriteHTML(w io.Writer) error {
	v := view{Report: r, Style: template.CSS(ChartStyle)} // A constant.
	var charts []Chart
	switch {
	case r.Run != nil:
		v.Title = "Benchmark of " + r.Run.Target
		v.When = r.Run.Started.Format(time.RFC1123)
		v.Facts = facts(r.Run)
		charts = append(charts, chartsOfRun(r.Run)...)
	case r.Comparison != nil:
		v.Title = "Comparison of targets"
		v.When = r.Comparison.Results[0][0].Started.Format(time.RFC1123)
		charts = append(charts, chartsOfComparison(r.Comparison)...)
	default:
		v.Title = "Capacity within objectives"
	}
	if len(r.Capacities) > 0 {
		charts = append(charts, CapacityChart(r.Capacities))
	}
	for _, c := range charts {
		// The chart escapes the names that it is given.
		v.Charts = append(v.Charts, template.HTML(c.SVG(false))) // See above.
	}
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// byRate puts the trials of a search in order of their rate. A rate tried twice
// shows its last trial.
func byRate(trials []trial.Trial) [][2]float64 {
	latest := map[float64]float64{}
	for _, t := range trials {
		if t.Summary.Latency.Count > 0 {
			latest[t.PerSecond] = t.Summary.Latency.P95Ms
		}
	}
	var points [][2]float64
	for rate, p95 := range latest {
		points = append(points, [2]float64{rate, p95})
	}
	slices.SortFunc(points, func(a, b [2]float64) int { return int(1e6 * (a[0] - b[0])) })
	return points
}
