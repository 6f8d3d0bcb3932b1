package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

// table collects lines of cells and the first error of writing them.
type table struct {
	w   *tabwriter.Writer
	err error
}

func newTable(w io.Writer) *table {
	return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

func (t *table) line(cells ...string) {
	if _, err := fmt.Fprintln(t.w, strings.Join(cells, "\t")); err != nil {
		t.err = cmp.Or(t.err, err)
	}
}

func (t *table) end() error { return cmp.Or(t.err, t.w.Flush()) }

// WriteRun writes a run as a table.
func WriteRun(w io.Writer, r *load.Result) error {
	t := newTable(w)
	for _, fact := range facts(r) {
		t.line(fact.Name, fact.Value)
	}
	if len(r.Stages) > 1 {
		t.line()
		t.line("STAGE", "OFFERED/S", "ACHIEVED/S", "MEAN", "P50", "P95", "P99", "MAX", "SUCCESS", "HITS")
		for i, s := range r.Stages {
			t.line(strconv.Itoa(i+1), number(s.OfferedPerSecond), number(s.AchievedPerSecond),
				ms(s.Latency.MeanMs), ms(s.Latency.P50Ms), ms(s.Latency.P95Ms), ms(s.Latency.P99Ms), ms(s.Latency.MaxMs),
				percent(s.SuccessRatio), percent(s.HitRatio))
		}
	}
	if len(r.Total.Failures) > 0 {
		t.line()
		t.line("FAILURE", "COUNT", "MEANS")
		for _, f := range r.Total.Failures {
			means := f.Means
			if f.Example != "" {
				means += " (" + f.Example + ")"
			}
			t.line(string(f.Kind), strconv.FormatInt(f.Count, 10), means)
		}
	}
	return t.end()
}

// WriteVerdict writes a line per objective.
func WriteVerdict(w io.Writer, v objective.Verdict) error {
	t := newTable(w)
	t.line()
	t.line("OBJECTIVE", "TARGET", "OBSERVED", "VERDICT")
	for _, line := range v {
		state := string(line.State)
		if line.Why != "" {
			state += ": " + line.Why
		}
		t.line(line.Name, line.Target, cmp.Or(line.Observed, "-"), state)
	}
	return t.end()
}

// WriteComparison writes a column per target, with the ratio to the first.
func WriteComparison(w io.Writer, c *trial.Comparison) error {
	t := newTable(w)
	head := []string{fmt.Sprintf("MEAN OF %d ROUNDS", c.Rounds)}
	for i, name := range c.Targets {
		head = append(head, name)
		if i > 0 {
			head = append(head, "RATIO TO "+c.Targets[0]+" (95 %)")
		}
	}
	t.line(head...)
	for _, m := range c.Metrics {
		cells := []string{m.Name}
		for i, v := range m.Values {
			cells = append(cells, strings.TrimSpace(number(v)+" "+m.Unit))
			if i > 0 {
				cells = append(cells, Ratio(m.Ratios[i]))
			}
		}
		t.line(cells...)
	}
	return t.end()
}

// WriteCapacities writes a line per target and what each trial showed.
func WriteCapacities(w io.Writer, capacities []*trial.Capacity) error {
	t := newTable(w)
	t.line("TARGET", "CAPACITY", "")
	for _, c := range capacities {
		note := ""
		switch {
		case c.Interrupted:
			note = "interrupted: it may be more"
		case c.AtLeast:
			note = "the highest rate tried: it may be more"
		}
		t.line(c.Target, number(c.PerSecond)+"/s", note)
	}
	t.line()
	t.line("TARGET", "RATE/S", "ACHIEVED/S", "P95", "SUCCESS", "OBJECTIVES")
	for _, c := range capacities {
		for _, tried := range c.Trials {
			s := tried.Summary
			t.line(c.Target, number(tried.PerSecond), number(s.AchievedPerSecond), ms(s.Latency.P95Ms), percent(s.SuccessRatio),
				cmp.Or(strings.TrimSuffix(tried.Why, "; "), "held"))
		}
	}
	return t.end()
}

// fact is a line of a run's table.
type fact struct{ Name, Value string }

func facts(r *load.Result) []fact {
	s := r.Total
	mode := "open loop"
	if r.Clients > 0 {
		mode = fmt.Sprintf("closed loop of %d clients", r.Clients)
	}
	if r.Interrupted {
		mode += ", INTERRUPTED: what follows is of the time that it ran"
	}
	out := []fact{
		{"target", r.URL},
		{"run", fmt.Sprintf("%.1f s after %.0f s of warm-up, %s", s.Seconds, r.WarmUpSeconds, mode)},
		{"offered", number(s.OfferedPerSecond) + "/s"},
		{"achieved", number(s.AchievedPerSecond) + "/s"},
		{"questions", fmt.Sprintf("%d, %d answered", s.Questions, s.Answered)},
		{"success ratio", percent(s.SuccessRatio)},
		{"latency", latency(s.Latency)},
	}
	if s.FirstToken != nil {
		out = append(out, fact{"first token", latency(*s.FirstToken)})
	}
	out = append(out, fact{"cache hit ratio", percent(s.HitRatio) + cacheCounts(s.Cache)},
		fact{"received", bytesText(float64(s.BytesReceived))},
		fact{"most in flight", strconv.FormatInt(s.MostInFlight, 10)})
	if u := s.Usage; u != nil {
		out = append(out,
			fact{"CPU", fmt.Sprintf("%.2f cores on average, %.2f at most%s", u.MeanCores, u.MaxCores, of(u.CPUPercent()))},
			fact{"memory", fmt.Sprintf("%s on average, %s at most%s", bytesText(float64(u.MeanMemoryBytes)), bytesText(float64(u.MaxMemoryBytes)), of(u.MemoryPercent()))})
	}
	if r.UsageError != "" {
		out = append(out, fact{"CPU and memory", "not all measured: " + r.UsageError})
	}
	if s.Lag.P99Ms > 5 {
		out = append(out, fact{"note", fmt.Sprintf("questions left up to %s late (p99): raise --in-flight, or give the generator a machine of its own", ms(s.Lag.P99Ms))})
	}
	return out
}

func of(percent float64, known bool) string {
	if !known {
		return ""
	}
	return fmt.Sprintf(" (%.1f %% of the limit)", percent)
}

func cacheCounts(counts map[string]int64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func latency(l load.Latency) string {
	if l.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("mean %s, p50 %s, p90 %s, p95 %s, p99 %s, max %s",
		ms(l.MeanMs), ms(l.P50Ms), ms(l.P90Ms), ms(l.P95Ms), ms(l.P99Ms), ms(l.MaxMs))
}

// Ratio writes a ratio with its interval.
func Ratio(r *trial.Ratio) string {
	switch {
	case r == nil:
		return "-"
	case r.High == 0:
		return number(r.Value) + "x"
	}
	return fmt.Sprintf("%sx (%s to %s)", number(r.Value), number(r.Low), number(r.High))
}

// number writes three significant digits, and whole numbers from 100 on.
func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func ms(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.2f s", v/1000)
	}
	return number(v) + " ms"
}

func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100**v)
}

func bytesText(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return number(v) + " " + units[i]
}
