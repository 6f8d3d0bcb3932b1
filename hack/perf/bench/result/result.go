// Package result holds what make bench measured, and writes it down: as JSON, as
// docs/benchmarks.md with its plots, and as the summary in the README. What is
// written depends on the results alone, so that a test can tell whether the pages
// are current. It measures nothing.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"ragops.dev/ragservice/ragctl/bench/trial"
)

// Results are those of one run of make bench.
type Results struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// Quick says that the run was shortened: fewer rounds, shorter ones.
	Quick   bool    `json:"quick,omitempty"`
	Machine Machine `json:"machine"`
	// Versions of what was measured and what it ran on.
	Versions  []Version  `json:"versions"`
	Scenarios []Scenario `json:"scenarios"`
}

// Machine is what it ran on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memoryBytes"`
	Kernel string `json:"kernel"`
	// ServiceCores and OtherCores are how the cores were split.
	ServiceCores string `json:"serviceCores"`
	OtherCores   string `json:"otherCores"`
}

// Version of a program or a library.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Scenario is one kind of load, and how each service stood up to it.
type Scenario struct {
	Name    string   `json:"name"`
	Metrics []Metric `json:"metrics"`
}

// Metric is one figure of all services in a scenario.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit,omitempty"`
	// HigherIsBetter says which way is good.
	HigherIsBetter bool  `json:"higherIsBetter,omitempty"`
	Rows           []Row `json:"rows"`
}

// Row is what one service gave.
type Row struct {
	Service string `json:"service"`
	// Values by round; none where the service gave no such figure.
	Values []float64 `json:"values,omitempty"`
	// Note says what else is to know.
	Note string `json:"note,omitempty"`
}

// Read reads results.
func Read(path string) (*Results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Write writes results.
func (r *Results) Write(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644) //nolint:gosec // A file of the repository.
}

// Scenario finds a scenario; nil where it was not run.
func (r *Results) Scenario(name string) *Scenario {
	for i := range r.Scenarios {
		if r.Scenarios[i].Name == name {
			return &r.Scenarios[i]
		}
	}
	return nil
}

// Metric finds a metric; nil where it was not measured.
func (s *Scenario) Metric(name string) *Metric {
	if s == nil {
		return nil
	}
	for i := range s.Metrics {
		if s.Metrics[i].Name == name {
			return &s.Metrics[i]
		}
	}
	return nil
}

// Add notes the values of a service.
func (s *Scenario) Add(metric, unit string, higherIsBetter bool, row Row) {
	m := s.Metric(metric)
	if m == nil {
		s.Metrics = append(s.Metrics, Metric{Name: metric, Unit: unit, HigherIsBetter: higherIsBetter})
		m = &s.Metrics[len(s.Metrics)-1]
	}
	m.Rows = append(m.Rows, row)
}

// Row finds the row of a service; nil where there is none.
func (m *Metric) Row(service string) *Row {
	if m == nil {
		return nil
	}
	for i := range m.Rows {
		if m.Rows[i].Service == service {
			return &m.Rows[i]
		}
	}
	return nil
}

// Times says how many times better one service is than another, greater than 1
// for better: by rate, or by the inverse of what should be small. It is nil where
// one of them gave no figure.
func (m *Metric) Times(service, than string) *trial.Ratio {
	ours, theirs := m.Row(service), m.Row(than)
	if ours == nil || theirs == nil || len(ours.Values) == 0 {
		return nil
	}
	if m.HigherIsBetter {
		return trial.PairedRatio(ours.Values, theirs.Values)
	}
	return trial.PairedRatio(theirs.Values, ours.Values)
}

// Middle is the mean over the rounds, with the lowest and the highest.
func (r *Row) Middle() (mean, low, high float64) {
	for i, v := range r.Values {
		mean += v / float64(len(r.Values))
		if i == 0 || v < low {
			low = v
		}
		high = max(high, v)
	}
	return mean, low, high
}
