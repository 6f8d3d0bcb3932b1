package jsontree

import (
	"bytes"
	"fmt"
)

// SyntaxError says what is wrong with a file, where, and what would be right. It
// never quotes the contents of a string, which may be a secret.
type SyntaxError struct {
	File     string
	Line     int // from 1
	Column   int // from 1, in characters
	Found    string
	Expected string
	Hint     string // what probably went wrong, if that is known
}

func (e *SyntaxError) Error() string {
	message := fmt.Sprintf("%s:%d:%d: not valid JSON: found %s, expected %s", e.File, e.Line, e.Column, e.Found, e.Expected)
	if e.Hint != "" {
		message += " (" + e.Hint + ")"
	}
	return message
}

func (p *parser) fail(found, expected, hint string) error {
	return &SyntaxError{File: p.file, Line: p.line, Column: p.column, Found: found, Expected: expected, Hint: hint}
}

// failHere describes what stands at the current position.
func (p *parser) failHere(expected, hint string) error {
	found, known := p.found()
	if hint == "" {
		hint = known
	}
	return p.fail(found, expected, hint)
}

const placeholderHint = "put the placeholder in quotes, or render the template first"

// wordHints explains words that other languages have where JSON has its own.
var wordHints = map[string]string{
	"True":      "JSON writes true; this looks like Python",
	"False":     "JSON writes false; this looks like Python",
	"None":      "JSON writes null; this looks like Python",
	"undefined": "JSON writes null; this looks like JavaScript",
	"NaN":       "JSON has no NaN",
	"yes":       "JSON writes true; this looks like YAML",
	"no":        "JSON writes false; this looks like YAML",
}

// found names the token ahead, and what it probably is. Of a word that is not
// known only the first letter is shown: a value without its quotes could be a
// secret.
func (p *parser) found() (token, hint string) {
	if p.atEnd() {
		return "the end of the file", ""
	}
	rest := p.data[p.at:]
	for _, placeholder := range []string{"${", "<"} {
		if bytes.HasPrefix(rest, []byte(placeholder)) {
			return "the placeholder " + placeholder + "…", placeholderHint
		}
	}
	switch {
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("/*")), rest[0] == '#':
		return "a comment", "JSON has no comments; take it out"
	case rest[0] == '\'':
		return "a single quote", "JSON quotes with \""
	}
	if hint, ok := wordHints[p.word()]; ok {
		return p.word(), hint
	}
	if word := p.word(); len(word) > 1 {
		return fmt.Sprintf("a word that starts with %q", word[:1]), "a string needs double quotes"
	}
	if rest[0] == '"' {
		return "a string", "a comma may be missing before it"
	}
	return fmt.Sprintf("%q", p.rune()), ""
}
