package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"
)

// header is what the file of floors begins with.
const header = `# What the query runtime must not fall behind, and how it was measured last.
# "make perf" measures again and fails where a bound is not met; "make perf WRITE=1"
# also writes the figures here and into docs/performance.md. Bounds are changed by
# hand. See hack/perf/floors.
`

// book is the file of floors.
type book struct {
	// Machine that the figures are of; empty before the first time.
	Machine string  `yaml:"machine,omitempty"`
	Floors  []floor `yaml:"floors"`
}

// floor is one figure with the bound that it has to keep.
type floor struct {
	// Name selects the floor on the command line.
	Name string `yaml:"name"`
	// Shows says in a sentence what is measured against what.
	Shows string `yaml:"shows"`
	// Unit of the figure; "ratio" for none.
	Unit string `yaml:"unit"`
	// AtLeast or AtMost bounds the median; exactly one is set.
	AtLeast *float64 `yaml:"atLeast,omitempty"`
	AtMost  *float64 `yaml:"atMost,omitempty"`
	// Measured is nil before the first time.
	Measured *spread `yaml:"measured,omitempty"`
}

// spread is what the rounds of one run gave.
type spread struct {
	Median float64 `yaml:"median"`
	Low    float64 `yaml:"low"`
	High   float64 `yaml:"high"`
	Rounds int     `yaml:"rounds"`
}

// readBook reads the file of floors; an unknown field is an error.
func readBook(path string) (*book, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the floors: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var b book
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range b.Floors {
		if (f.AtLeast == nil) == (f.AtMost == nil) {
			return nil, fmt.Errorf("%s: the floor %q must have one of atLeast and atMost", path, f.Name)
		}
		if suiteOf(f.Name) == nil {
			return nil, fmt.Errorf("%s: nothing measures the floor %q", path, f.Name)
		}
	}
	return &b, nil
}

func (b *book) encode() ([]byte, error) {
	buf := bytes.NewBufferString(header)
	enc := yaml.NewEncoder(buf)
	enc.SetIndent(2)
	if err := enc.Encode(b); err != nil {
		return nil, fmt.Errorf("encode the floors: %w", err)
	}
	return buf.Bytes(), nil
}

// spreadOf sums rounds up. Of an even number of rounds the median is the worse of
// the two in the middle, so that no figure is one that nobody measured.
func (f *floor) spreadOf(rounds []float64) spread {
	sorted := slices.Clone(rounds)
	slices.Sort(sorted)
	middle := len(sorted) / 2
	if f.AtLeast != nil {
		middle = (len(sorted) - 1) / 2
	}
	return spread{Median: round(sorted[middle]), Low: round(sorted[0]), High: round(sorted[len(sorted)-1]), Rounds: len(sorted)}
}

// met tells whether the figure keeps the bound.
func (f *floor) met(s spread) bool {
	if f.AtLeast != nil {
		return s.Median >= *f.AtLeast
	}
	return s.Median <= *f.AtMost
}

// bound in words.
func (f *floor) bound() string {
	if f.AtLeast != nil {
		return "at least " + f.figure(*f.AtLeast)
	}
	return "at most " + f.figure(*f.AtMost)
}

// figure with its unit.
func (f *floor) figure(v float64) string {
	if f.Unit == "ratio" {
		return fmt.Sprintf("%.3g", v)
	}
	return fmt.Sprintf("%.3g %s", v, f.Unit)
}

// round keeps three digits that count: more would be noise.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
