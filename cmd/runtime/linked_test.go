package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNoTemplates keeps the template packages out of what releases are built of:
// they call methods by names that the linker cannot know, so it would keep every
// method of every client that is linked.
func TestNoTemplates(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "grpcnotrace", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	linked := strings.Fields(string(output))
	for _, unwanted := range []string{"text/template", "html/template"} {
		if slices.Contains(linked, unwanted) {
			t.Errorf("%s is linked: go list -deps -tags grpcnotrace -f '{{.ImportPath}} {{.Imports}}' ./cmd/runtime shows by whom", unwanted)
		}
	}
}
