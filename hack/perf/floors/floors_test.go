package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../../.."

// TestPageIsCurrent holds the table of the documentation to the file of floors.
func TestPageIsCurrent(t *testing.T) {
	b, err := readBook(filepath.Join(root, bookFile))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil {
		t.Fatal(err)
	}
	want, err := section.Fill(page, b.table())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, want) {
		t.Errorf("%s is not what %s says (-page +floors):\n%s", pageFile, bookFile, cmp.Diff(string(page), string(want)))
	}
}

// TestEveryFloorIsMeasured holds the suites to the file of floors.
func TestEveryFloorIsMeasured(t *testing.T) {
	b, err := readBook(filepath.Join(root, bookFile)) // refuses a floor that no suite measures
	if err != nil {
		t.Fatal(err)
	}
	committed := map[string]bool{}
	for _, f := range b.Floors {
		committed[f.Name] = true
	}
	for _, s := range suites {
		for _, name := range s.floors {
			if !committed[name] {
				t.Errorf("%s is measured and has no bound", name)
			}
		}
	}
}

func TestSpread(t *testing.T) {
	least, most := floor{AtLeast: new(0.85)}, floor{AtMost: new(0.85)}
	tests := []struct {
		name    string
		floor   floor
		rounds  []float64
		want    spread
		wantMet bool
	}{
		{"odd", least, []float64{0.9, 0.86, 0.8}, spread{0.86, 0.8, 0.9, 3}, true},
		{"of an even number the worse, at least", least, []float64{0.9, 0.84}, spread{0.84, 0.84, 0.9, 2}, false},
		{"of an even number the worse, at most", most, []float64{0.9, 0.84}, spread{0.9, 0.84, 0.9, 2}, false},
		{"three digits", most, []float64{0.12345}, spread{0.123, 0.123, 0.123, 1}, true},
		{"nothing", most, []float64{0}, spread{0, 0, 0, 1}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.floor.spreadOf(tt.rounds)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("spread (-want +got):\n%s", diff)
			}
			if met := tt.floor.met(got); met != tt.wantMet {
				t.Errorf("met: %t, want %t", met, tt.wantMet)
			}
		})
	}
}

func TestReadBookRefuses(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"no bound", "floors: [{name: start}]", "one of atLeast and atMost"},
		{"two bounds", "floors: [{name: start, atLeast: 1, atMost: 2}]", "one of atLeast and atMost"},
		{"nothing measures it", "floors: [{name: other, atMost: 2}]", `nothing measures the floor "other"`},
		{"an unknown field", "floors: [{name: start, atmost: 2}]", "field atmost not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "floors.yaml")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readBook(path); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
