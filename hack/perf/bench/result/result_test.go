package result

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../../.."

// The pages are made of the committed results; make bench-pages writes them anew.
func TestPagesAreCurrent(t *testing.T) {
	r, err := Read(filepath.Join(root, "hack/perf/results.json"))
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	same := func(path, want string) {
		if diff := cmp.Diff(want, read(path)); diff != "" {
			t.Errorf("%s is not what hack/perf/results.json says; run make bench-pages (-want +got):\n%s", path, diff)
		}
	}
	same("docs/benchmarks.md", r.Page())
	for name, svg := range r.Plots() {
		same("docs/images/"+name, svg)
		wellFormed(t, svg)
	}
	readme, err := r.Summary(read("README.md"))
	if err != nil {
		t.Fatal(err)
	}
	same("README.md", readme)
	// Nothing of an earlier run is left.
	found, err := filepath.Glob(filepath.Join(root, "docs/images/bench-*.svg"))
	if err != nil || len(found) != len(r.Plots()) {
		t.Errorf("docs/images has %d plots of benchmarks, want %d (%v)", len(found), len(r.Plots()), err)
	}
}

// Every scenario of the page was run.
func TestResultsAreWhole(t *testing.T) {
	r, err := Read(filepath.Join(root, "hack/perf/results.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		scenario := r.Scenario(s.scenario)
		if scenario == nil {
			t.Errorf("%s was not run", s.scenario)
			continue
		}
		for _, m := range append([]string{}, s.ratios...) {
			if scenario.Metric(m).Row(s.ours) == nil {
				t.Errorf("%s has no %s of %s", s.scenario, m, s.ours)
			}
		}
	}
}

func sample() *Results {
	r := &Results{Machine: Machine{CPU: "a CPU", Cores: 2, ServiceCores: "0", OtherCores: "1"}}
	var hit, lookups Scenario
	hit.Name, lookups.Name = "hit-local", "lookups"
	hit.Add("answers", "/s", true, Row{Service: "fastapi", Values: []float64{1000, 1000}, Note: "2 % failed, most: <it>"})
	hit.Add("answers", "/s", true, Row{Service: "runtime", Values: []float64{12000, 12000}})
	hit.Add("answers", "/s", true, Row{Service: "flask", Values: []float64{2000, 2000}})
	lookups.Add("p50", "ms", false, Row{Service: "flask", Values: []float64{352}})
	lookups.Add("p50", "ms", false, Row{Service: "runtime", Values: []float64{200.9}})
	r.Scenarios = []Scenario{hit, lookups}
	return r
}

func TestPage(t *testing.T) {
	page := sample().Page()
	for _, want := range []string{
		"core 0 to itself",
		"| query runtime | 12,000/s (12,000–12,000) |  |  |",
		"| FastAPI | 1,000/s (1,000–1,000) | 12x (12 to 12) | 2 % failed, most: <it> |",
		"| hits from memory, answers per second | **12x (12 to 12)** | 6x (6 to 6), short of it | at least 10x / 10x |",
		"| Flask | 352 ms | 1.75x |",
		"takes 200.9 ms: 0.574 of the sequential 350 ms (goal: under 0.60), 0.9 ms above its critical path of 200 ms (goal: 1 ms): reached.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	plots := sample().Plots()
	if len(plots) != 2 || !strings.Contains(plots["bench-hit-local.svg"], "12,000/s") {
		t.Errorf("the plots are %v", plots)
	}
}

func TestSummaryKeepsTheRest(t *testing.T) {
	got, err := sample().Summary("before\n" + summaryBegin + "old\n" + summaryEnd + "after\n")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "before\n"+summaryBegin+"| better by") || !strings.HasSuffix(got, summaryEnd+"after\n") || strings.Contains(got, "old") {
		t.Errorf("the README became:\n%s", got)
	}
	if _, err := sample().Summary("no marks"); err == nil || !strings.Contains(err.Error(), "the README lacks the lines") {
		t.Errorf("the error is %v", err)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0.0123456: "0.0123", 99.94: "99.9", 100: "100", 1234.5: "1,234", 1234567: "1,234,567"} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader([]byte(svg)))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("a plot is not well-formed: %v", err)
		}
	}
}
