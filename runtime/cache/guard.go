package cache

import (
	"slices"
	"strings"
	"unicode"
)

// sameMeaning tells whether two questions that an embedding finds alike may share
// an answer. Embeddings see what a text is about, and little of which way round
// it is: a question and its opposite score as high as 0.99. So whatever shows
// that the questions differ keeps them apart, at the cost of a miss:
//
//   - negations, quantifiers and words of direction (not, without, all, off, from)
//   - numbers
//   - what is asked for: who, when, where, why, how many, how long
//   - whose it is: mine or yours
//   - a word of content in the place of another, synonyms apart
//   - the order of words where it bears the meaning (a from b, who beats whom)
//
// One question may have a word of content more than the other, if it is no name
// and one of four at most.
func sameMeaning(a, b string) bool {
	x, y := read(a), read(b)
	if x.asks != y.asks || !slices.Equal(x.polar, y.polar) || !slices.Equal(x.numbers, y.numbers) {
		return false
	}
	if x.owner != "" && y.owner != "" && x.owner != y.owner {
		return false
	}
	if len(x.content) > len(y.content) {
		x, y = y, x
	}
	return y.covers(x)
}

// reading is what the guard sees of a question.
type reading struct {
	asks    string
	owner   string
	polar   []string // sorted
	numbers []string // in order
	content []word   // in order
	ordered bool     // the order of content bears meaning
}

// word is a word of content: its stem, or the first of its synonyms.
type word struct {
	stem string
	name bool // written like one
}

// covers tells whether r has all the content of the other, and little more.
func (r reading) covers(other reading) bool {
	rest := slices.Clone(r.content)
	for _, w := range other.content {
		i := slices.IndexFunc(rest, func(o word) bool { return o.stem == w.stem })
		if i < 0 {
			return false
		}
		rest = slices.Delete(rest, i, i+1)
	}
	if 4*len(rest) > len(r.content) || slices.ContainsFunc(rest, func(w word) bool { return w.name }) {
		return false
	}
	return (!r.ordered && !other.ordered) || r.inOrder(other)
}

// inOrder tells whether the other's content comes in the same order in r.
func (r reading) inOrder(other reading) bool {
	rest := r.content
	for _, w := range other.content {
		i := slices.IndexFunc(rest, func(o word) bool { return o.stem == w.stem })
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
	return true
}

func read(question string) reading {
	var r reading
	tokens := tokenize(question)
	for i, t := range tokens {
		text := strings.ToLower(t)
		var before, after string
		if i > 0 {
			before = strings.ToLower(tokens[i-1])
		}
		if i+1 < len(tokens) {
			after = strings.ToLower(tokens[i+1])
		}
		r.take(text, before, after, i > 0 && unicode.IsUpper([]rune(t)[0]))
	}
	slices.Sort(r.polar)
	return r
}

// take reads one word, in lower case, between its neighbours.
func (r *reading) take(text, before, after string, capital bool) {
	if negates(text) {
		r.polar = append(r.polar, "not")
		return
	}
	if asked := asks(text, after); asked != "" {
		r.ordered = r.ordered || asked != "how"
		if asked == "how" {
			asked = "what" // how to do it, what to do: often one question
		}
		if r.asks == "" {
			r.asks = asked
		}
		return
	}
	if number, ok := numberWords[text]; ok {
		text = number
	}
	switch {
	case strings.ContainsFunc(text, unicode.IsDigit):
		r.numbers = append(r.numbers, text)
	case owners[text] != "":
		if r.owner == "" {
			r.owner = owners[text]
		}
	case polarWords[text]:
		r.polar = append(r.polar, text)
		r.ordered = true
	case text == "to" && !beforeInfinitive[before], directionWords[text]:
		r.ordered = true
	case stopWords[text]:
	default:
		stemmed := stem(text)
		if first, ok := synonyms[stemmed]; ok {
			stemmed = first
		}
		r.content = append(r.content, word{stem: stemmed, name: capital})
	}
}

// asks is what a question word asks for, given the word after it; empty when it
// is none, or one that may be left out.
func asks(text, after string) string {
	switch text {
	case "who", "whom", "whose":
		return "who"
	case "when", "where", "why":
		return text
	case "what", "which":
		switch after {
		case "time", "date", "day", "year":
			return "when"
		}
		return "what"
	case "how":
		switch after {
		case "many", "much":
			return "how many"
		case "long", "often", "far", "old", "big", "tall", "fast", "soon":
			return "how " + after
		}
		return "how"
	}
	return ""
}

func negates(text string) bool {
	return negations[text] || strings.HasSuffix(text, "n't") || strings.HasSuffix(text, "n’t")
}

// tokenize splits into words; an apostrophe or a point inside one belongs to it.
func tokenize(s string) []string {
	runes := []rune(s)
	var tokens []string
	start := -1
	for i, r := range runes {
		inside := unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '%'
		if (r == '\'' || r == '’' || r == '.' || r == ',') && start >= 0 && i+1 < len(runes) {
			next := runes[i+1]
			apostrophe := r == '\'' || r == '’'
			inside = apostrophe && unicode.IsLetter(next) || unicode.IsDigit(runes[i-1]) && unicode.IsDigit(next)
		}
		switch {
		case inside && start < 0:
			start = i
		case !inside && start >= 0:
			tokens = append(tokens, trimPossessive(string(runes[start:i])))
			start = -1
		}
	}
	if start >= 0 {
		tokens = append(tokens, trimPossessive(string(runes[start:])))
	}
	return tokens
}

func trimPossessive(t string) string {
	return strings.TrimSuffix(strings.TrimSuffix(t, "'s"), "’s")
}

// stem takes the commonest endings of English words off. Words of other
// languages mostly stay as they are, which makes the guard stricter there.
func stem(w string) string {
	for _, e := range []struct{ ending, instead string }{
		{"ies", "y"}, {"sses", "ss"}, {"ing", ""}, {"ed", ""}, {"es", "e"}, {"s", ""},
	} {
		base, ok := strings.CutSuffix(w, e.ending)
		if !ok || len(base) < 3 || e.ending == "s" && strings.HasSuffix(base, "s") {
			continue
		}
		w = base + e.instead
		break
	}
	if len(w) > 3 {
		w = strings.TrimSuffix(w, "e")
	}
	if n := len(w); n > 3 && w[n-1] == w[n-2] {
		w = w[:n-1] // stopped, stop
	}
	return w
}
