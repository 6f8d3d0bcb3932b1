package result

import (
	"fmt"
	"slices"
	"strings"

	"ragops.dev/ragservice/ragctl/bench/report"
)

// Page is docs/benchmarks.md.
func (r *Results) Page() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

<!-- Written by make bench from hack/perf/results.json: change neither by hand. -->

The query runtime beside the services that it takes the place of, on one machine and in one run: `+"`make bench`"+`. Each figure is the mean over
the rounds, with the lowest and the highest; each ratio is that of the same rounds, with its 95 %% confidence interval, and says how many times
better the query runtime is. Absolute figures are those of this machine, and no promise.

The baselines are a Flask service (gunicorn) and a FastAPI service (uvicorn, uvloop, httptools), written for this repository: a competent port of each, and
"as in the guide" with the pools and the order of steps that the migration guide shows. Model, embedding and vector store are
[stand-ins](../hack/perf/baselines/README.md); Redis and PostgreSQL are real.

%s
`, r.setup())
	b.WriteString(r.keyTable())
	for _, s := range sections {
		if scenario := r.Scenario(s.scenario); scenario != nil {
			r.section(&b, s, scenario)
		}
	}
	return b.String()
}

// setup says what the figures were measured on.
func (r *Results) setup() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "Measured on %s in %.0f minutes", r.Started.Format("2 January 2006"), r.Seconds/60)
	fmt.Fprintf(&b, ". Machine: %s, %d cores, %.0f GiB, Linux %s.\n", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel)
	if m.ServiceCores != "" {
		fmt.Fprintf(&b, "The service that is measured has core %s to itself; the load generator, Redis, PostgreSQL and the stand-ins share core %s.\n", m.ServiceCores, m.OtherCores)
	} else {
		b.WriteString("Services and load generator shared the one core.\n")
	}
	b.WriteString("FastAPI runs one uvicorn process, Flask three gunicorn workers (64 threads each; as in the guide: sync), as their documents have it for one core.\n\n")
	var versions []string
	for _, v := range r.Versions {
		versions = append(versions, v.Name+" "+v.Version)
	}
	fmt.Fprintf(&b, "Versions: %s.\n", strings.Join(versions, ", "))
	return b.String()
}

func (r *Results) section(b *strings.Builder, s section, scenario *Scenario) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", s.heading, s.text)
	header := []string{""}
	for _, m := range scenario.Metrics {
		header = append(header, m.Name)
		if slices.Contains(s.ratios, m.Name) {
			header = append(header, "better by")
		}
	}
	header = append(header, "") // the column of notes
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, service := range rowsOf(scenario) {
		cells := []string{title(service)}
		var notes []string
		for i := range scenario.Metrics {
			m := &scenario.Metrics[i]
			row := m.Row(service)
			cells = append(cells, m.cell(row))
			if row != nil && row.Note != "" && !slices.Contains(notes, row.Note) {
				notes = append(notes, row.Note)
			}
			if slices.Contains(s.ratios, m.Name) {
				cells = append(cells, m.times(s.ours, service))
			}
		}
		cells = append(cells, strings.Join(notes, "; "))
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	if s.plot != "" {
		fmt.Fprintf(b, "\n![%s](images/%s)\n", s.heading, plotName(s))
	}
}

// rowsOf are the services of a scenario in the order of the page.
func rowsOf(scenario *Scenario) []string {
	var out []string
	for _, s := range services {
		for i := range scenario.Metrics {
			if scenario.Metrics[i].Row(s.name) != nil {
				out = append(out, s.name)
				break
			}
		}
	}
	return out
}

// cell is the mean with its spread.
func (m *Metric) cell(row *Row) string {
	if row == nil || len(row.Values) == 0 {
		return "–"
	}
	mean, low, high := row.Middle()
	text := withUnit(mean, m.Unit)
	if len(row.Values) > 1 {
		text += fmt.Sprintf(" (%s–%s)", Number(low), Number(high))
	}
	return text
}

func withUnit(v float64, unit string) string {
	switch unit {
	case "":
		return Number(v)
	case "/s", "%":
		return Number(v) + unit
	}
	return Number(v) + " " + unit
}

// times is the ratio of our service to another.
func (m *Metric) times(ours, other string) string {
	if other == ours {
		return ""
	}
	ratio := m.Times(ours, other)
	if ratio == nil {
		return "–"
	}
	return report.Ratio(ratio)
}

// Number writes what a reader can take in: three digits, thousands apart.
func Number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.3g", v)
	}
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
