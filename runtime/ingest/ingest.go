// Package ingest splits documents into passages: Markdown, HTML and plain text
// in, pieces of plain text of about a thousand characters out, each with the
// headings it stands under. It does not embed and does not store; it reads no
// files and asks no servers.
package ingest

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// Format is how a document is written.
type Format string

// The formats that can be split.
const (
	Markdown Format = "markdown"
	HTML     Format = "html"
	Text     Format = "text"
)

// FormatOf tells the format by the ending of a file's name; ok is false where
// the file is not a document.
func FormatOf(name string) (format Format, ok bool) {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown":
		return Markdown, true
	case ".html", ".htm":
		return HTML, true
	case ".txt":
		return Text, true
	}
	return "", false
}

// Passage is a piece of a document that makes sense by itself.
type Passage struct {
	// Heading is the path of headings above the passage, outermost first, as in
	// "Cache > Semantic tier"; empty above the first heading.
	Heading string
	// Text is plain text: markup is gone, lists and code keep their lines.
	Text string
}

// EmbeddingText is what to embed for the passage: its text with the headings
// ahead, because a passage often names its subject only there.
func (p Passage) EmbeddingText() string {
	if p.Heading == "" {
		return p.Text
	}
	return p.Heading + "\n" + p.Text
}

// Split splits a document. A document without text has no passages. The error
// is about the document: text that is not UTF-8, or a format that is unknown.
func Split(format Format, document []byte) ([]Passage, error) {
	document = bytes.TrimPrefix(document, []byte("\ufeff")) // a byte order mark
	if !utf8.Valid(document) {
		return nil, fmt.Errorf("is not UTF-8 text")
	}
	var blocks []block
	var err error
	switch format {
	case Markdown:
		blocks, err = markdownBlocks(document)
	case HTML:
		blocks, err = htmlBlocks(document)
	case Text:
		blocks = textBlocks(string(document))
	default:
		err = fmt.Errorf("format %q is unknown: it must be %s, %s or %s", format, Markdown, HTML, Text)
	}
	if err != nil {
		return nil, err
	}
	return pack(blocks), nil
}

// block is a paragraph, a list item, a table row or a piece of code.
type block struct {
	heading string
	text    string
	// tight blocks follow the one before on the next line, as items of a list do.
	tight bool
}

// textBlocks takes paragraphs, which empty lines part.
func textBlocks(document string) []block {
	var blocks []block
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			blocks = append(blocks, block{text: strings.Join(paragraph, "\n")})
			paragraph = nil
		}
	}
	for line := range strings.Lines(document) {
		line = strings.TrimRight(line, " \t\r\n")
		if strings.TrimSpace(line) == "" {
			flush()
			continue
		}
		paragraph = append(paragraph, line)
	}
	flush()
	return blocks
}
