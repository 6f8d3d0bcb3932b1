package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Where the figures are, from the repository's root.
const (
	bookFile = "hack/perf/floors.yaml"
	pageFile = "docs/performance.md"
)

// The marks around the part of the page that is written by this command.
const (
	tableBegin = "<!-- floors: written by make perf WRITE=1 -->\n"
	tableEnd   = "<!-- end of floors -->\n"
)

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

// withTable returns the page with the table in its place.
func (b *book) withTable(page []byte) ([]byte, error) {
	before, rest, begun := bytes.Cut(page, []byte(tableBegin))
	_, after, ended := bytes.Cut(rest, []byte(tableEnd))
	if !begun || !ended {
		return nil, fmt.Errorf("%s has no place for the floors: want a line %q and a line %q", pageFile, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return bytes.Join([][]byte{before, []byte(tableBegin + b.table() + tableEnd), after}, nil), nil
}

// save writes the figures into the file of floors and into the page.
func (b *book) save(file, page string) error {
	encoded, err := b.encode()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	changed, err := b.withTable(old)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, encoded, 0o644); err != nil {
		return fmt.Errorf("write the floors: %w", err)
	}
	if err := os.WriteFile(page, changed, 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
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
