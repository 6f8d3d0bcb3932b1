package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocsShowTheMeasurement holds the page to the result that is committed. Without one
// the page has no figures either.
func TestDocsShowTheMeasurement(t *testing.T) {
	table := ""
	data, err := os.ReadFile("result.json")
	switch {
	case err == nil:
		var result Result
		if err := json.Unmarshal(data, &result); err != nil {
			t.Fatal(err)
		}
		table = result.Table()
	case !errors.Is(err, fs.ErrNotExist):
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operator.md"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := section.Fill(page, table)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(page)); diff != "" {
		t.Errorf("docs/operator.md is not what result.json says (-result +page):\n%s", diff)
	}
}
