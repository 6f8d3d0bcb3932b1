package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"ragops.dev/ragservice/hack/perf/page"
)

// Where the figures are, from the repository's root.
const (
	bookFile = "hack/perf/floors.yaml"
	pageFile = "docs/performance.md"
)

// section is the part of the page that is written by this command.
var section = page.Section{Begin: "<!-- floors: written by make perf WRITE=1 -->", End: "<!-- end of floors -->"}

// table is the floors as the page shows them.
func (b *book) table() string {
	var t strings.Builder
	measured := "Not measured yet on two cores that have nothing else to do."
	if b.Machine != "" {
		measured = fmt.Sprintf("Measured on %s.", b.Machine)
	}
	fmt.Fprintf(&t, "%s\n\n", measured)
	t.WriteString("| floor | what | bound | median | from … to | rounds |\n|---|---|---|---|---|---|\n")
	for _, f := range b.Floors {
		median, spread, rounds := "not measured yet", "", ""
		if m := f.Measured; m != nil {
			median, spread, rounds = f.figure(m.Median), fmt.Sprintf("%g … %g", m.Low, m.High), strconv.Itoa(m.Rounds)
			if !f.met(*m) {
				median += " (not kept)"
			}
		}
		fmt.Fprintf(&t, "| `%s` | %s | %s | %s | %s | %s |\n", f.Name, f.Shows, f.bound(), median, spread, rounds)
	}
	return t.String()
}

// save writes the figures into the file of floors and onto the page.
func (b *book) save(file, onto string) error {
	encoded, err := b.encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, encoded, 0o644); err != nil {
		return fmt.Errorf("write the floors: %w", err)
	}
	return section.Write(onto, b.table())
}

// machine names what the figures are of.
func machine() string {
	model := "unknown CPU"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s, %s/%s, %s; load generator, stand-ins and Redis on the same cores",
		runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
