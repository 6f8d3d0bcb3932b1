package result

import "ragops.dev/ragservice/ragctl/bench/report"

func plotName(s section) string { return "bench-" + s.scenario + ".svg" }

// Plots are the files of docs/images, by name.
func (r *Results) Plots() map[string]string {
	plots := map[string]string{}
	for _, s := range sections {
		scenario := r.Scenario(s.scenario)
		if s.plot == "" || scenario.Metric(s.plot) == nil {
			continue
		}
		plots[plotName(s)] = bars(s, scenario).SVG(true) + "\n"
	}
	return plots
}

// bars compares the services by one metric.
func bars(s section, scenario *Scenario) report.BarChart {
	m := scenario.Metric(s.plot)
	chart := report.BarChart{Title: s.heading + ": " + m.Name}
	if m.Unit != "" {
		chart.Title += ", " + m.Unit
	}
	for _, service := range rowsOf(scenario) {
		row := m.Row(service)
		if row == nil || len(row.Values) == 0 {
			continue
		}
		mean, low, high := row.Middle()
		bar := report.Bar{Name: title(service), Value: mean, Label: withUnit(mean, m.Unit), Colour: colourOf(s, service)}
		if len(row.Values) > 1 {
			bar.Low, bar.High = low, high
		}
		chart.Bars = append(chart.Bars, bar)
	}
	return chart
}

// colourOf sets our service apart from the baselines, and those from the floors.
func colourOf(s section, service string) int {
	const ours, baseline, floor = 0, 1, 7
	switch service {
	case s.ours:
		return ours
	case "fastapi", "fastapi-guide", "flask", "flask-guide":
		return baseline
	}
	return floor
}
