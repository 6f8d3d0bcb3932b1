// Package report writes the account of a conversion: as JSON for programs, as
// Markdown for a pull request, as one HTML file for a browser. It only shows what
// the ledger holds; it decides nothing.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// Format is how a report is written.
type Format string

// The formats, by the extension of the file.
const (
	JSON     Format = ".json"
	Markdown Format = ".md"
	HTML     Format = ".html"
)

// FormatOf returns the format that a file's extension asks for.
func FormatOf(path string) (Format, error) {
	format := Format(strings.ToLower(filepath.Ext(path)))
	if !slices.Contains([]Format{JSON, Markdown, HTML}, format) {
		return "", fmt.Errorf("%s: a report ends in .md, .json or .html", path)
	}
	return format, nil
}

// Write writes the report to w.
func Write(w io.Writer, format Format, r *ledger.Report) error {
	switch format {
	case JSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(r)
	case HTML:
		return page.Execute(w, newView(r))
	default:
		_, err := io.WriteString(w, markdown(r))
		return err
	}
}

// Line sums a report up in one line.
func Line(r *ledger.Report) string {
	s := r.Summary
	return fmt.Sprintf("%d leaves: %d mapped, %d approximated, %d for a person, %d ignored, %d unknown; %d objects",
		s.Leaves, s.Mapped, s.Approximated, s.Person, s.Ignored, s.Unknown, len(s.Objects))
}

// titles of the buckets, for people.
var titles = map[ledger.Bucket]string{
	ledger.Mapped:       "Mapped",
	ledger.Approximated: "Approximated",
	ledger.Person:       "Needs a person",
	ledger.Ignored:      "Ignored",
	ledger.Unknown:      "Unknown",
}

// meanings of the buckets, for people.
var meanings = map[ledger.Bucket]string{
	ledger.Mapped:       "Has an exact counterpart.",
	ledger.Approximated: "Has a counterpart that differs: the note says how.",
	ledger.Person:       "Needs a person: the note says what to do.",
	ledger.Ignored:      "Carries nothing over.",
	ledger.Unknown:      "No rule knows it: check whether anything depends on it.",
}

// inBucket returns the entries of one bucket.
func inBucket(r *ledger.Report, bucket ledger.Bucket) []ledger.Entry {
	var entries []ledger.Entry
	for _, e := range r.Entries {
		if e.Bucket == bucket {
			entries = append(entries, e)
		}
	}
	return entries
}
