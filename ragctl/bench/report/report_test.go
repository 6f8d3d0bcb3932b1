package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
	"ragops.dev/ragservice/ragctl/bench/trial"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

func sampleRun() *load.Result {
	summary := load.Summary{
		PlannedPerSecond: 100, Seconds: 10, OfferedPerSecond: 100, AchievedPerSecond: 99.7, Questions: 1000, Answered: 990,
		SuccessRatio: new(0.99), HitRatio: new(0.7), Cache: map[string]int64{"HIT-L1": 693, "MISS": 297},
		Latency:  load.Latency{Count: 990, MeanMs: 12, P50Ms: 10, P90Ms: 20, P95Ms: 30, P99Ms: 1400, MaxMs: 2000},
		Failures: []load.FailureCount{{Kind: load.FailureServer, Count: 10, Means: "the target failed", Example: "status 500"}},
		Usage:    &usage.Summary{MeanCores: 0.5, MaxCores: 0.8, MeanMemoryBytes: 50 << 20, MaxMemoryBytes: 60 << 20, CoresLimit: 1, MemoryLimitBytes: 100 << 20},
	}
	run := &load.Result{
		Target: `a<b>&"c"`, URL: "http://h/query", Started: time.Unix(1700000000, 0).UTC(), Total: summary, Stages: []load.Summary{summary, summary},
		Distribution: []load.Quantile{{Percent: 0, LatencyMs: 1}, {Percent: 50, LatencyMs: 10}, {Percent: 99, LatencyMs: 1400}, {Percent: 100, LatencyMs: 2000}},
	}
	for i := range 10 {
		run.Series = append(run.Series, load.Point{
			Seconds: float64(i + 1), OfferedPerSecond: 100, AnsweredPerSecond: float64(90 + i), P50Ms: 10, P95Ms: 30, P99Ms: 100, MaxMs: 200,
			Usage: &usage.Sample{Cores: 0.5, MemoryBytes: 50 << 20},
		})
	}
	return run
}

func sampleComparison() *trial.Comparison {
	run := sampleRun()
	return &trial.Comparison{
		Targets: []string{"old", "new"}, Rounds: 1, Results: [][]*load.Result{{run}, {run}},
		Metrics: []trial.Metric{{Name: "p95 latency", Unit: "ms", Values: []float64{30, 3}, Ratios: []*trial.Ratio{nil, {Value: 0.1, Low: 0.09, High: 0.11}}}},
	}
}

func sampleCapacities() []*trial.Capacity {
	return []*trial.Capacity{{Target: "old", PerSecond: 100, AtLeast: true, Trials: []trial.Trial{
		{PerSecond: 100, Held: true, Summary: sampleRun().Total}, {PerSecond: 50, Why: "p95Latency 3 s, want 2 s; ", Summary: sampleRun().Total},
	}}}
}

// wellFormed reads a page's plots with a parser that forgives nothing.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("a plot is not well-formed: %v\n%s", err, svg)
		}
	}
}

func TestHTML(t *testing.T) {
	tests := []struct {
		name   string
		report Report
		plots  int
		want   []string
	}{
		{"run", Report{Run: sampleRun(), Verdict: objective.Defaults().Judge(sampleRun().Total)}, 7, []string{"p95Latency", "the target failed (status 500)", "a&lt;b&gt;"}},
		{"run without usage or answers", Report{Run: &load.Result{}}, 5, []string{"Latency over time"}},
		{"comparison", Report{Comparison: sampleComparison()}, 3, []string{"0.1x (0.09 to 0.11)"}},
		{"capacity", Report{Capacities: sampleCapacities()}, 1, []string{"it may be more"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := tt.report.WriteHTML(&b); err != nil {
				t.Fatal(err)
			}
			page := b.String()
			for _, want := range tt.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			// One file that needs no network: nothing is loaded from anywhere.
			for _, never := range []string{"<script", "src=", "http-equiv", "@import", "<b>&"} {
				if strings.Contains(page, never) {
					t.Errorf("the page holds %q", never)
				}
			}
			plots := strings.SplitAfter(page, "</svg>")
			if len(plots)-1 != tt.plots {
				t.Errorf("%d plots, want %d", len(plots)-1, tt.plots)
			}
			for _, plot := range plots[:len(plots)-1] {
				svg := plot[strings.Index(plot, "<svg"):]
				wellFormed(t, svg)
				if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
					t.Errorf("a plot holds a number that is none:\n%s", svg)
				}
			}
		})
	}
}

func TestTables(t *testing.T) {
	tests := []struct {
		name  string
		write func(io.Writer) error
		want  []string
	}{
		{"run", func(w io.Writer) error { return WriteRun(w, sampleRun()) }, []string{
			"p95 30 ms, p99 1.40 s", "70.00 % (HIT-L1 693, MISS 297)", "0.50 cores on average, 0.80 at most (50.0 % of the limit)", "http-5xx  10     the target failed (status 500)",
		}},
		{"verdict", func(w io.Writer) error { return WriteVerdict(w, objective.Defaults().Judge(sampleRun().Total)) }, []string{"p95Latency        ≤ 2s    30.0 ms   met"}},
		{"comparison", func(w io.Writer) error { return WriteComparison(w, sampleComparison()) }, []string{"p95 latency       30 ms  3 ms  0.1x (0.09 to 0.11)"}},
		{"capacities", func(w io.Writer) error { return WriteCapacities(w, sampleCapacities()) }, []string{"old     100/s     the highest rate tried", "p95Latency 3 s, want 2 s\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := tt.write(&b); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("the table lacks %q:\n%s", want, b.String())
				}
			}
			if err := tt.write(brokenWriter{}); err == nil {
				t.Error("a table that could not be written is no error")
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestTicks(t *testing.T) {
	tests := []struct {
		name  string
		scale scale
		want  string
	}{
		{"linear", scale{low: 0, high: 105}, "0 50 100"},
		{"small", scale{low: 0, high: 0.31}, "0 0.1 0.2 0.3"},
		{"decades", scale{low: 1, high: 1000, log: true}, "1 10 100 1000"},
		{"less than a decade", scale{low: 120, high: 700, log: true}, "200 400 600"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, tick := range ticksOf(tt.scale, number) {
				got = append(got, tick.Label)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("the ticks are %s, want %s", s, tt.want)
			}
		})
	}
	if p := position(99.9); math.Abs(p-3) > 1e-9 {
		t.Errorf("99.9 %% is at %v, want 3", p)
	}
}

func TestBars(t *testing.T) {
	svg := BarChart{Title: "a<b", Bars: []Bar{{Name: "x", Value: 2, Low: 1, High: 3, Label: "2/s"}, {Name: "none"}}}.SVG(true)
	wellFormed(t, svg)
	if !strings.Contains(svg, "xmlns") || !strings.Contains(svg, "2/s") {
		t.Errorf("the chart is %s", svg)
	}
}
