// Package lexical reads text as a set of weighted word stems: what the embedded
// providers share. It knows English best (stop words, stems), other languages by
// their words alone, and the meaning of none.
package lexical

import (
	"iter"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
)

// Term is one word of a text.
type Term struct {
	word string // in lower case
	// Weight is how much the word says about what a text is on, from 0 for a stop
	// word to 1.
	Weight float64
}

// Stem is the word in lower case without its ending, by the Snowball rules for
// English (Porter2), which leave words of other scripts as they are.
func (t Term) Stem() string {
	env := stemmers.Get().(*snowballstem.Env)
	defer stemmers.Put(env)
	env.SetCurrent(strings.ReplaceAll(t.word, "’", "'"))
	english.Stem(env)
	return env.Current()
}

var stemmers = sync.Pool{New: func() any { return snowballstem.NewEnv("") }}

// Terms yields the words of a text in order. A name such as minReplicas or
// staleTTL yields itself and then its parts.
func Terms(text string) iter.Seq[Term] {
	return func(yield func(Term) bool) {
		for word := range words(text) {
			lower := strings.ToLower(word)
			if !yield(Term{lower, weight(lower)}) {
				return
			}
			for _, part := range humps(word) {
				part = strings.ToLower(part)
				if !yield(Term{part, partWeight * weight(part)}) {
					return
				}
			}
		}
	}
}

// partWeight is what a part of a name weighs against a word of its own.
const partWeight = 0.6

// words yields the runs of letters and digits. An apostrophe within a word
// belongs to it, as in don't.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start := -1
		for i, r := range text {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r):
				if start < 0 {
					start = i
				}
			case start < 0:
			case (r == '\'' || r == '’') && letterFollows(text[i+utf8.RuneLen(r):]):
			default:
				if !yield(text[start:i]) {
					return
				}
				start = -1
			}
		}
		if start >= 0 {
			yield(text[start:])
		}
	}
}

func letterFollows(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r)
}

// humps returns the parts of a camel-case name, and nothing for a word that has
// none: minReplicas gives min and Replicas, staleTTL gives stale and TTL.
func humps(word string) (parts []string) {
	start := 0
	for i, r := range word {
		if i == 0 || !unicode.IsUpper(r) {
			continue
		}
		if before, _ := utf8.DecodeLastRuneInString(word[:i]); unicode.IsUpper(before) {
			continue
		}
		parts = append(parts, word[start:i])
		start = i
	}
	if start > 0 {
		parts = append(parts, word[start:])
	}
	return parts
}
