// Package page keeps what a command measured in a page of the documentation.
package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// Section is the part of a page that a command writes, between two lines of its own.
type Section struct {
	// Begin and End are those lines, such as "<!-- floors: written by make perf -->".
	Begin, End string
}

// Fill returns a page with the text in its section.
func (s Section) Fill(page []byte, text string) ([]byte, error) {
	begin, end := []byte(s.Begin+"\n"), []byte(s.End+"\n")
	before, rest, begun := bytes.Cut(page, begin)
	_, after, ended := bytes.Cut(rest, end)
	if !begun || !ended {
		return nil, fmt.Errorf("the page has no lines %q and %q", s.Begin, s.End)
	}
	return bytes.Join([][]byte{before, begin, []byte(text), end, after}, nil), nil
}

// Write puts the text into the section of a file.
func (s Section) Write(file, text string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	changed, err := s.Fill(old, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// Save writes a result to a file, as JSON, and the text that is made of it onto a page;
// neither where its name is empty.
func (s Section) Save(result any, file, onto, text string) error {
	if file != "" {
		data, err := json.MarshalIndent(result, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	if onto == "" {
		return nil
	}
	return s.Write(onto, text)
}
