package generate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"ragops.dev/ragservice/runtime/lexical"
	"ragops.dev/ragservice/runtime/retrieve"
)

// extractive is the embedded provider. It writes nothing of its own: the answer
// is the sentences of the passages that share most with the question, quoted as
// they are, each group with the number of its passage. It reads neither the
// history nor what is known about the user. A word stands for a token in the
// bound of the answer; one sentence is always quoted whole.
type extractive struct{}

var _ provider = extractive{}

// NothingFound is the answer where no passage was found.
const NothingFound = "I found nothing about this in the documents."

const (
	// maxQuotes is how many sentences an answer quotes.
	maxQuotes = 5
	// rankDiscount is what a sentence of the second passage is worth against one
	// of the first, and so on: the store's order knows more than single words do.
	rankDiscount = 0.85
	// minQuoteScore leaves out sentences far behind the best one.
	minQuoteScore = 0.4
)

// complete implements [provider]. It emits one quote at a time. The only errors
// are ctx's and emit's.
func (extractive) complete(ctx context.Context, p *prompt, emit func(string) error) (*Completion, error) {
	var text strings.Builder
	for _, piece := range pieces(choose(p.Question, p.Passages, p.maxTokens)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		text.WriteString(piece)
		if emit == nil {
			continue
		}
		if err := emit(piece); err != nil {
			return nil, err
		}
	}
	return &Completion{Text: text.String(), FinishReason: FinishStop, Model: "extractive", Upstream: "extractive"}, nil
}

func (extractive) identity() string { return fmt.Sprintf("extractive/%d", lexical.Version) }

// pieces returns the answer, one piece for each quote: quotes of one passage
// follow each other, and the last one carries its number.
func pieces(quotes []quote) []string {
	if len(quotes) == 0 {
		return []string{NothingFound}
	}
	all := make([]string, len(quotes))
	for i, q := range quotes {
		switch {
		case i == 0:
		case quotes[i-1].passage == q.passage:
			all[i] = " "
		default:
			all[i] = "\n\n"
		}
		all[i] += q.text
		if i == len(quotes)-1 || quotes[i+1].passage != q.passage {
			all[i] += fmt.Sprintf(" [%d]", q.passage+1)
		}
	}
	return all
}

// quote is a sentence of a passage.
type quote struct {
	passage, position int
	text              string
	score             float64
}

// choose returns the best sentences, in the order of their passages.
func choose(question string, passages []retrieve.Passage, limit int) []quote {
	wanted := weights(question)
	var all []quote
	for i, p := range passages {
		for j, s := range sentences(p.Text) {
			score := similarity(wanted, s) * math.Pow(rankDiscount, float64(i))
			all = append(all, quote{passage: i, position: j, text: s, score: score})
		}
	}
	slices.SortStableFunc(all, func(a, b quote) int { return cmp.Compare(b.score, a.score) })
	var chosen []quote
	words := 0
	for _, q := range all {
		n := len(strings.Fields(q.text))
		if len(chosen) == maxQuotes || q.score < minQuoteScore*all[0].score {
			break
		}
		if len(chosen) > 0 && words+n > limit {
			continue
		}
		if slices.ContainsFunc(chosen, func(c quote) bool { return c.text == q.text }) {
			continue
		}
		words += n
		chosen = append(chosen, q)
	}
	slices.SortFunc(chosen, func(a, b quote) int {
		return cmp.Or(cmp.Compare(a.passage, b.passage), cmp.Compare(a.position, b.position))
	})
	return chosen
}

// weights returns what each stem of the question counts.
func weights(question string) map[string]float64 {
	all := map[string]float64{}
	for term := range lexical.Terms(question) {
		stem := term.Stem()
		all[stem] = max(all[stem], term.Weight)
	}
	return all
}

// similarity is the cosine of question and sentence over their stems, with the
// sentence's length damped, for a short sentence is seldom the better one.
func similarity(question map[string]float64, sentence string) float64 {
	seen := map[string]bool{}
	var shared, length float64
	for term := range lexical.Terms(sentence) {
		if term.Weight == 0 {
			continue
		}
		stem := term.Stem()
		if seen[stem] {
			continue
		}
		seen[stem] = true
		length += term.Weight
		shared += question[stem] * term.Weight
	}
	return shared / math.Sqrt(length+5)
}
