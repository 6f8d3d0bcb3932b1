package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocsShowTheMeasurement holds the page to the result that is committed.
func TestDocsShowTheMeasurement(t *testing.T) {
	data, err := os.ReadFile("result.json")
	if err != nil {
		t.Fatal(err)
	}
	var result Result
	if err := json.Unmarshal(data, &result); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operator.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), result.Table()) {
		t.Errorf("docs/operator.md does not have the table of result.json:\n%s", result.Table())
	}
}
