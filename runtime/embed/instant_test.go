package embed

import (
	"context"
	"testing"
)

// counting is an embedder that counts what it is asked.
type counting struct{ asked int }

func (c *counting) Embed(_ context.Context, texts []string) ([][]float32, error) {
	c.asked++
	return make([][]float32, len(texts)), nil
}
func (*counting) Identity() string { return "counting" }

func TestInstant(t *testing.T) {
	remote := &counting{}
	known := Cached(remote, 10)
	if Instant(remote, "a") || Instant(known, "a") {
		t.Error("a vector that another server makes is not at hand")
	}
	if _, err := known.Embed(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if !Instant(known, "a") || Instant(known, "b") {
		t.Error("a kept vector is at hand, and no other")
	}
	if !Instant(NewLexical(64), "a") {
		t.Error("a lexical vector is made at once")
	}
	if remote.asked != 1 {
		t.Errorf("asked %d times, want once", remote.asked)
	}
}
