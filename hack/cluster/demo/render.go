package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	width = 100
	// shownAnswer bounds an answer on the screen, in bytes.
	shownAnswer = 600
)

// render is one question with its answer, where that is from and how long it
// took.
func render(question string, a *answer, cache string, took time.Duration) string {
	text := strings.Join(strings.Fields(a.Answer), " ")
	if len(text) > shownAnswer {
		text = strings.ToValidUTF8(text[:shownAnswer], "") + " …"
	}
	var sources []string
	for _, source := range a.Sources {
		if !slices.Contains(sources, source.Source) {
			sources = append(sources, source.Source)
		}
	}
	return fmt.Sprintf("\n  ? %s\n%s    sources: %s\n    X-Cache: %s, %.1f ms\n",
		question, wrap(text, "    "), strings.Join(sources, ", "), cache, float64(took.Microseconds())/1000)
}

// wrap breaks a text into lines with an indent.
func wrap(text, indent string) string {
	var lines strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word)+1 > width && strings.TrimSpace(line) != "" {
			fmt.Fprintln(&lines, strings.TrimRight(line, " "))
			line = indent
		}
		line += word + " "
	}
	fmt.Fprintln(&lines, strings.TrimRight(line, " "))
	return lines.String()
}
