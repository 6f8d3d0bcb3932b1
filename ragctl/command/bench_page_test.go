package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// seenPage is what Chromium saw of a page: see hack/chromium/open.mjs.
type seenPage struct {
	Console, Requests []string
	Title             string
	Plots             []struct {
		Title          string
		Width, Height  float64
		Marks, Outside int
	}
	Wider float64
}

// open opens a page in headless Chromium, with no network. With
// RAGSERVICE_TEST_SCREENSHOTS set to a folder it keeps a screenshot there.
func openPage(t *testing.T, page string) seenPage {
	t.Helper()
	folder := filepath.Join("..", "..", "hack", "chromium")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Skip("playwright-core is not installed (npm ci --prefix hack/chromium)")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("chromium is not installed (apt-get install chromium)")
	}
	args := []string{filepath.Join(folder, "open.mjs"), page}
	if shots := os.Getenv("RAGSERVICE_TEST_SCREENSHOTS"); shots != "" {
		args = append(args, filepath.Join(shots, filepath.Base(page)+".png"))
	}
	command := exec.CommandContext(t.Context(), "node", args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	var seen seenPage
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return seen
}

func TestReportsInChromium(t *testing.T) {
	fast := ragServer(t).URL
	mixed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cache", "MISS")
		fmt.Fprint(w, `{"query":"q","answer":"a","context":[],"timestamp":"t"}`)
	}))
	defer mixed.Close()
	folder := t.TempDir()
	tests := []struct {
		name  string
		args  []string
		plots int
	}{
		{"run", []string{fast, "--rate", "100,200,400", "--duration", "3s", "--warm-up", "0s", "--pid", fmt.Sprint(os.Getpid())}, 7},
		{"comparison", []string{"compare", "old=" + mixed.URL, "new=" + fast, "--rate", "100", "--duration", "300ms", "--warm-up", "0s", "--rounds", "3"}, 3},
		{"capacity", []string{fast, "--find-capacity", "--rate", "100", "--max-rate", "400", "--duration", "300ms", "--warm-up", "0s"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page := filepath.Join(folder, tt.name+".html")
			if code, out, errOut := runBench(t.Context(), t, append(tt.args, "--report", page)...); code != ExitDone && code != ExitThreshold {
				t.Fatalf("exit code %d, stderr %s, output:\n%s", code, errOut, out)
			}
			seen := openPage(t, page)
			if len(seen.Console) > 0 || len(seen.Requests) > 0 {
				t.Errorf("the console says %v; the page asks for %v", seen.Console, seen.Requests)
			}
			if seen.Title == "" || len(seen.Plots) != tt.plots {
				t.Errorf("the title is %q and there are %d plots, want %d", seen.Title, len(seen.Plots), tt.plots)
			}
			for _, p := range seen.Plots {
				if p.Width < 300 || p.Height < 100 || p.Marks == 0 || p.Outside > 0 {
					t.Errorf("the plot %q is %.0f by %.0f, with %d marks, %d of them outside of it", p.Title, p.Width, p.Height, p.Marks, p.Outside)
				}
			}
			if seen.Wider > 0 {
				t.Errorf("the page is %.0f pixels wider than the window", seen.Wider)
			}
		})
	}
}
