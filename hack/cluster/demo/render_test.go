package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRender(t *testing.T) {
	var body answer
	const response = `{"answer": "The query goes on\nwithout it.", "sources": [
		{"source": "failures.md", "score": 0.7}, {"source": "failures.md", "score": 0.6}, {"source": "scaling.md", "score": 0.4}]}`
	if err := json.Unmarshal([]byte(response), &body); err != nil {
		t.Fatal(err)
	}
	const want = `
  ? What then?
    The query goes on without it.
    sources: failures.md, scaling.md
    X-Cache: MISS, 1.5 ms
`
	if diff := cmp.Diff(want, render("What then?", &body, "MISS", 1500*time.Microsecond)); diff != "" {
		t.Errorf("rendered (-want +got):\n%s", diff)
	}
}

func TestRenderKeepsWithinTheScreen(t *testing.T) {
	long := answer{Answer: strings.Repeat("größer ", 200)}
	for line := range strings.Lines(render("Long?", &long, "MISS", 0)) {
		if len(line) > width+1 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
		if !strings.HasPrefix(line, "  ") && line != "\n" {
			t.Errorf("a line that is not indented: %s", line)
		}
	}
	if got := render("Long?", &long, "MISS", 0); len(got) > shownAnswer+200 || !strings.Contains(got, "…") {
		t.Errorf("an answer of %d bytes is not cut: %d bytes", len(long.Answer), len(got))
	}
}
