package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"
)

// The bounds of a question set.
const (
	MaxQuestions     = 1_000_000
	MaxQuestionBytes = 32 << 10
)

// Questions is a set of questions and how often each is asked. The question of
// rank k is asked in proportion to 1/k^s, which is Zipf's law and what search and
// support logs look like; s = 0 asks all equally often.
type Questions struct {
	// encoded questions, each a JSON string.
	encoded [][]byte
	// cumulative[i] is the share of questions of rank i or before.
	cumulative []float64
	// newShare of questions were never asked before.
	newShare float64
}

// GenerateQuestions makes n questions about an invented shop.
func GenerateQuestions(n int, zipf float64) (*Questions, error) {
	if n < 1 || n > MaxQuestions {
		return nil, fmt.Errorf("%d questions are out of bounds: it must be between 1 and %d", n, MaxQuestions)
	}
	encoded := make([][]byte, n)
	for i := range encoded {
		encoded[i] = encode(generated(i))
	}
	return newQuestions(encoded, zipf)
}

// ReadQuestions reads one question per line: plain text, or a JSON object with
// the field "query" where the line starts with a brace. Empty lines are skipped;
// the first question is the one asked most.
func ReadQuestions(r io.Reader, zipf float64) (*Questions, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 2*MaxQuestionBytes)
	var encoded [][]byte
	for line := 1; scanner.Scan(); line++ {
		text := strings.TrimSpace(scanner.Text())
		if text == "" {
			continue
		}
		if text[0] == '{' {
			var object struct{ Query string }
			if err := json.Unmarshal([]byte(text), &object); err != nil {
				return nil, fmt.Errorf("line %d starts with a brace and is no JSON object: %w", line, err)
			}
			if text = object.Query; text == "" {
				return nil, fmt.Errorf(`line %d has no "query"`, line)
			}
		}
		if len(text) > MaxQuestionBytes {
			return nil, fmt.Errorf("line %d is longer than %d bytes", line, MaxQuestionBytes)
		}
		if encoded = append(encoded, encode(text)); len(encoded) > MaxQuestions {
			return nil, fmt.Errorf("has more than %d questions", MaxQuestions)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if len(encoded) == 0 {
		return nil, errors.New("holds no question: write one per line")
	}
	return newQuestions(encoded, zipf)
}

func newQuestions(encoded [][]byte, zipf float64) (*Questions, error) {
	if !(zipf >= 0 && zipf <= 5) {
		return nil, fmt.Errorf("a Zipf exponent of %g is out of bounds: it must be between 0 and 5", zipf)
	}
	q := &Questions{encoded: encoded, cumulative: make([]float64, len(encoded))}
	sum := 0.0
	for i := range q.cumulative {
		sum += math.Pow(float64(i+1), -zipf)
		q.cumulative[i] = sum
	}
	for i := range q.cumulative {
		q.cumulative[i] /= sum
	}
	return q, nil
}

// WithNew returns a set in which the given share of questions, 0 to 1, was never
// asked before and can be in no cache.
func (q *Questions) WithNew(share float64) (*Questions, error) {
	if !(share >= 0 && share <= 1) {
		return nil, fmt.Errorf("a share of %g new questions is out of bounds: it must be between 0 and 1", share)
	}
	with := *q
	with.newShare = share
	return &with, nil
}

// Len is how many different questions the set holds, new ones apart.
func (q *Questions) Len() int { return len(q.encoded) }

// picker draws from a set; one goroutine at a time may use it.
type picker struct {
	*Questions
	rng *rand.Rand
	// run makes new questions differ from those of every other picker.
	run  string
	next int
}

func (q *Questions) picker(seed, stream uint64) *picker {
	return &picker{
		Questions: q,
		rng:       rand.New(rand.NewPCG(seed, stream)),
		run:       strconv.FormatUint(rand.Uint64(), 36),
	}
}

// pick returns a question as a JSON string, not to be changed.
func (p *picker) pick() []byte {
	if p.newShare > 0 && p.rng.Float64() < p.newShare {
		p.next++
		return encode(generated(p.next) + " Reference " + p.run + "-" + strconv.Itoa(p.next) + ".")
	}
	i := sort.SearchFloat64s(p.cumulative, p.rng.Float64())
	return p.encoded[min(i, len(p.encoded)-1)]
}

func encode(text string) []byte {
	// A string always encodes.
	out, _ := json.Marshal(text)
	return out
}

var (
	asks   = []string{"How do I", "When can I", "Where do I", "What does it cost to", "Who may", "Is it safe to", "How long does it take to"}
	verbs  = []string{"return", "exchange", "repair", "insure", "register", "cancel", "renew", "clean", "recycle", "upgrade", "gift-wrap"}
	things = []string{"a coffee grinder", "the annual plan", "a rain jacket", "my loyalty card", "a road bike", "an espresso machine", "the warranty", "a tent", "my delivery", "a pair of boots", "a head torch", "the newsletter", "a sleeping bag"}
	places = []string{"online", "in the Lisbon store", "without a receipt", "from abroad", "as a business customer", "during the sale", "for a friend", "after thirty days", "by post", "on a weekend", "with a voucher", "as a member", "before it ships", "twice", "by telephone", "in the app", "for a school"}
)

// generated is the i-th question; any two differ.
func generated(i int) string {
	n := i
	take := func(words []string) string {
		word := words[n%len(words)]
		n /= len(words)
		return word
	}
	text := take(asks) + " " + take(verbs) + " " + take(things) + " " + take(places)
	if n > 0 {
		text += " for order " + strconv.Itoa(n)
	}
	return text + "?"
}
