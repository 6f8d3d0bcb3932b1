package ecs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// TestMatrix holds the page in the docs against the tables. Run with -update after a
// change of a rule.
func TestMatrix(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "migrate", "matrix.md")
	if *update {
		if err := os.WriteFile(path, []byte(Matrix()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Matrix(), string(got)); diff != "" {
		t.Errorf("docs/migrate/matrix.md is stale, run the test with -update (-want +got):\n%s", diff)
	}
}

func TestRulesAreSound(t *testing.T) {
	for k, rules := range rulesOf {
		seen := map[string]bool{}
		for _, r := range rules {
			name := string(k) + " " + r.path
			if seen[r.path] {
				t.Errorf("%s has two rules", name)
			}
			seen[r.path] = true
			usual := r.buckets[0]
			if usual == ledger.Unknown || len(r.buckets) != len(slices.Compact(slices.Sorted(slices.Values(r.buckets)))) {
				t.Errorf("%s: buckets %v", name, r.buckets)
			}
			if usual != ledger.Mapped && r.note == "" {
				t.Errorf("%s is %s and has no note", name, usual)
			}
			if (usual == ledger.Mapped || usual == ledger.Approximated) && r.static {
				t.Errorf("%s is %s without any code", name, usual)
			}
			if slices.Contains(r.buckets, ledger.Person) && r.step == "" {
				t.Errorf("%s can need a person and has no step", name)
			}
		}
	}
}

// TestSettingsAreSound checks the table of what is recognised.
func TestSettingsAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, setting := range ragSettings {
		for name := range strings.FieldsSeq(setting.names) {
			if seen[name] {
				t.Errorf("%s stands for two parts", name)
			}
			seen[name] = true
			if name != strings.ToUpper(name) {
				t.Errorf("%s is not in capitals", name)
			}
		}
	}
}

// TestFixturesUseTheRules says which rules that take code no fixture exercises, so
// that a rule can't claim what nothing does.
func TestFixturesUseTheRules(t *testing.T) {
	used := map[string]bool{}
	for _, name := range fixtures(t) {
		for _, options := range variants {
			c := newConverter(Inputs{Files: readFixture(t, name), Options: options})
			if err := c.read(readFixture(t, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.convert(); err != nil {
				t.Fatal(err)
			}
			for path := range c.used {
				used[path] = true
			}
		}
	}
	var unused []string
	for k, rules := range rulesOf {
		for _, r := range rules {
			if !r.static && !used[string(k)+" "+r.path] {
				unused = append(unused, string(k)+" "+r.path)
			}
		}
	}
	slices.Sort(unused)
	t.Logf("%d rules that take code are not in any fixture", len(unused))
	if diff := cmp.Diff([]string(nil), unused); diff != "" {
		t.Errorf("rules that no fixture exercises (-want +got):\n%s\n%s", diff, strings.Join(unused, "\n"))
	}
}
