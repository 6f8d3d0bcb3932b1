package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of passages in characters. About a thousand is a paragraph or two: it
// holds one thought, and several passages fit a small model's context and an
// embedding model's 512 tokens.
const (
	targetLength = 1000
	// A single paragraph of up to this length stays whole.
	maxLength = 1300
)

// pack joins neighbouring blocks under the same heading up to the target length;
// another heading starts a new passage.
func pack(blocks []block) []Passage {
	var passages []Passage
	length := 0 // of the last passage
	for _, b := range blocks {
		for i, text := range splitLong(b.text) {
			n := utf8.RuneCountInString(text)
			if last := len(passages) - 1; last >= 0 && passages[last].Heading == b.heading && length+n <= targetLength {
				separator := "\n\n"
				if b.tight || i > 0 {
					separator = "\n"
				}
				passages[last].Text += separator + text
				length += n + len(separator)
				continue
			}
			passages = append(passages, Passage{Heading: b.heading, Text: text})
			length = n
		}
	}
	return passages
}

// splitLong splits a text longer than maxLength into pieces of at most
// targetLength: between lines, else between sentences, else between words, else
// anywhere.
func splitLong(text string) []string {
	if utf8.RuneCountInString(text) <= maxLength {
		return []string{text}
	}
	var pieces []string
	for utf8.RuneCountInString(text) > targetLength {
		cut := cutPoint(text)
		if piece := strings.TrimSpace(text[:cut]); piece != "" {
			pieces = append(pieces, piece)
		}
		text = strings.TrimLeftFunc(text[cut:], unicode.IsSpace)
	}
	if text != "" {
		pieces = append(pieces, text)
	}
	return pieces
}

// cutPoint is the byte offset of the best place to end a piece of the text,
// which is longer than targetLength: the last end of a line, of a sentence or of
// a word in the piece's second half, whichever exists first in that order.
func cutPoint(text string) int {
	var line, sentence, word, n, end int
	var previous rune
	for i, r := range text {
		if n == targetLength {
			end = i
			break
		}
		if n > targetLength/2 {
			switch {
			case r == '\n':
				line = i
			case unicode.IsSpace(r) && strings.ContainsRune(".!?:;", previous):
				sentence = i
			case strings.ContainsRune("。！？", r):
				sentence = i + utf8.RuneLen(r)
			}
			if unicode.IsSpace(r) {
				word = i
			}
		}
		previous = r
		n++
	}
	for _, cut := range []int{line, sentence, word} {
		if cut > 0 {
			return cut
		}
	}
	return end
}
