package main

import (
	"fmt"
	"strings"

	"ragops.dev/ragservice/hack/perf/page"
)

// Result is what was measured of the operator's process.
type Result struct {
	Services      int     `json:"services"`
	Pods          int     `json:"podsOfEach"`
	PeriodSeconds float64 `json:"periodSeconds"`
	// Idle is without questions; the operator looks at all pods every 30 s for the
	// status of their services even so.
	Idle Phase `json:"idle"`
	// Asked is with a question about each service in every period.
	Asked Phase `json:"asked"`
}

// Phase is the cost over a while.
type Phase struct {
	Cores         float64 `json:"cores"`
	MemoryBytes   int64   `json:"memoryBytes"`
	PodsPerSecond float64 `json:"podsPerSecond"`
	Questions     int     `json:"questions,omitempty"`
	P50Ms         float64 `json:"p50Ms,omitempty"`
	P95Ms         float64 `json:"p95Ms,omitempty"`
	// Missing are pods that did not answer in time, over all questions.
	Missing int `json:"missing"`
}

// Table is the result in Markdown.
func (r *Result) Table() string {
	var b strings.Builder
	row := func(title string, cell func(Phase) string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", title, cell(r.Idle), cell(r.Asked))
	}
	fmt.Fprintf(&b, "| %d services of %d pods | nobody asks | each is asked about every %g s |\n|---|---|---|\n", r.Services, r.Pods, r.PeriodSeconds)
	row("CPU", func(p Phase) string { return fmt.Sprintf("%.0f m", 1000*p.Cores) })
	row("memory", func(p Phase) string { return fmt.Sprintf("%d MiB", p.MemoryBytes>>20) })
	row("pods asked in a second", func(p Phase) string { return fmt.Sprintf("%.0f", p.PodsPerSecond) })
	row("answer, p50 and p95", func(p Phase) string {
		if p.Questions == 0 {
			return "none"
		}
		return fmt.Sprintf("%.1f ms, %.1f ms", p.P50Ms, p.P95Ms)
	})
	row("pods that did not answer in time, of all that were to", func(p Phase) string {
		if p.Questions == 0 {
			return "none"
		}
		return fmt.Sprintf("%d of %d", p.Missing, p.Questions*r.Pods)
	})
	return b.String()
}

// section is the part of the page with the table.
var section = page.Section{Begin: "<!-- metricsapi: written by make bench-metrics-api -->", End: "<!-- end of metricsapi -->"}
