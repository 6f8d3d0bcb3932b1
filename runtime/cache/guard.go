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
//   - a word of content that the other has not, synonyms apart: a refund for a
//     subscription is not that for a cancelled one
//   - the order of words where it bears the meaning (a from b, who beats whom);
//     only after "how", where the caller is who acts, it does not
func sameMeaning(a, b string) bool {
	x, y := read(a), read(b)
	if x.asks != y.asks || !slices.Equal(x.polar, y.polar) || !slices.Equal(x.numbers, y.numbers) {
		return false
	}
	if x.owner != "" && y.owner != "" && x.owner != y.owner {
		return false
	}
	return x.sameContent(y)
}

// reading is what the guard sees of a question.
type reading struct {
	asks    string
	owner   string
	polar   []string // sorted
	numbers []string // in order
	content []string // in order: stems, or the first of their synonyms
	ordered bool     // the order of content bears meaning
}

// sameContent tells whether both have the same words of content, in the same
// order where that matters.
func (r reading) sameContent(other reading) bool {
	mine, theirs := r.content, other.content
	if !r.ordered && !other.ordered {
		mine, theirs = slices.Sorted(slices.Values(mine)), slices.Sorted(slices.Values(theirs))
	}
	return slices.Equal(mine, theirs)
}

func read(question string) reading {
	tokens := tokenize(strings.ToLower(question))
	at := func(i int) string {
		if i < 0 || i >= len(tokens) {
			return ""
		}
		return tokens[i]
	}
	var r reading
	for i, t := range tokens {
		r.take(t, at(i-1), at(i+1))
	}
	slices.Sort(r.polar)
	if r.asks == "" {
		r.asks = asksWithoutAQuestionWord(tokens)
		r.ordered = r.ordered || r.asks == ""
	}
	return r
}

// asksWithoutAQuestionWord is what a request asks for that is no question: how to
// do what the caller needs, what the thing to be explained is.
func asksWithoutAQuestionWord(tokens []string) string {
	for len(tokens) > 0 && greetings[tokens[0]] {
		tokens = tokens[1:]
	}
	if len(tokens) > 0 && (tokens[0] == "explain" || tokens[0] == "describe") {
		return "what"
	}
	for _, wish := range wishes {
		if len(tokens) > len(wish) && slices.Equal(tokens[:len(wish)], wish) {
			return "what"
		}
	}
	return ""
}

// take reads one word between its neighbours.
func (r *reading) take(text, before, after string) {
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
	case stopWords[text], text == "time" && before == "what":
	default:
		stemmed := stem(text)
		if first, ok := synonyms[stemmed]; ok {
			stemmed = first
		}
		r.content = append(r.content, stemmed)
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
