package scaling

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIntervals(t *testing.T) {
	var answers []Answer
	for i := range 20 {
		answers = append(answers, Answer{At: 4 * time.Second, Took: time.Duration(i+1) * 100 * time.Millisecond})
	}
	answers = append(answers,
		Answer{At: 12 * time.Second, Took: 7 * time.Second},
		Answer{At: -time.Second, Took: time.Hour})
	want := []Interval{{Seconds: 0, Answered: 20, P95Ms: 1900}, {Seconds: 10, Answered: 1, P95Ms: 7000}}
	if diff := cmp.Diff(want, Intervals(answers)); diff != "" {
		t.Errorf("intervals (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	c := Comparison{
		Load: []Load{{0, 40}, {60, 6}},
		Runs: []Run{
			{
				Targets: "queriesInFlight: 10", Answered: 900,
				Replicas: []Replicas{{-3, 1, 1}, {8, 4, 1}, {12.4, 4, 2}, {13.6, 4, 4}, {80, 1, 1}},
				Latency:  []Interval{{0, 50, 4000}, {5, 50, 4200}, {15, 50, 4100}, {25, 90, 1600}, {30, 90, 1700}, {60, 20, 1500}},
			},
			{
				Targets: "cpuPercent: 80", Answered: 500, Failed: 1, CPUPercent: 12,
				Replicas: []Replicas{{-3, 1, 1}},
				Latency:  []Interval{{0, 50, 4000}, {5, 50, 4200}, {30, 50, 4100}, {65, 10, 1500}},
			},
		},
	}
	const want = `|  | ` + "`queriesInFlight: 10` | `cpuPercent: 80`" + ` |
|---|---|---|
| replicas at first | 1 | 1 |
| replicas at most | 4 | 1 |
| first new replica ready | after 12 s | never |
| last new replica ready | after 14 s | never |
| p95 before that | 4.0 to 4.2 s | 4.0 to 4.2 s |
| p95 after it, under the same load | 1.6 to 1.7 s | 4.1 s |
| most CPU in use, of the request | not looked at | 12 % |
| queries answered | 900 | 500 |
| queries failed | 0 | 1 |
`
	if diff := cmp.Diff(want, c.Table()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	for name, svg := range c.Plots() {
		if strings.Count(svg, `<path class="line"`) != 2 {
			t.Errorf("%s does not have two lines: %s", name, svg)
		}
	}
}

// TestDocsShowTheMeasurement holds the page and its plots to the data that is
// committed.
func TestDocsShowTheMeasurement(t *testing.T) {
	c, err := Read("comparison.json")
	if err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join("..", "..", "..", "docs")
	page, err := os.ReadFile(filepath.Join(docs, "scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), c.Table()) {
		t.Errorf("docs/scaling.md does not have the table of comparison.json:\n%s", c.Table())
	}
	for name, want := range c.Plots() {
		got, err := os.ReadFile(filepath.Join(docs, "images", name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("docs/images/%s is not of comparison.json; run make bench-scaling (-want +got):\n%s", name, diff)
		}
		if !strings.Contains(string(page), "images/"+name) {
			t.Errorf("docs/scaling.md does not show images/%s", name)
		}
	}
}
