package cache

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/unicode/norm"
)

const (
	// maxFAQ bounds the pairs of a file: they are all held in memory, and each
	// question costs an embedding.
	maxFAQ = 10_000
	// maxFAQErrors is how many mistakes are reported at once.
	maxFAQErrors = 10
)

// Pair is a curated question with its answer.
type Pair struct {
	Question string `json:"question"`
	Answer   string `json:"answer"`
	// Aliases are other ways to ask the question.
	Aliases []string `json:"aliases,omitempty"`
}

// ParseFAQ reads pairs; name says by its ending which form they have.
//
//   - .yaml, .yml: a list of {question, answer, aliases}
//   - .json: the same
//   - .csv: a header with the columns question and answer, and perhaps aliases,
//     which are separated by "|"
//
// All mistakes are reported, up to ten, each with its line.
func ParseFAQ(name string, data []byte) ([]Pair, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("is not UTF-8 text")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var p faqParser
	switch ending := strings.ToLower(filepath.Ext(name)); ending {
	case ".yaml", ".yml":
		p.yaml(data)
	case ".json":
		p.json(data)
	case ".csv":
		p.csv(data)
	default:
		return nil, fmt.Errorf("ends in %q, and must end in .yaml, .yml, .json or .csv", ending)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs[:min(len(p.errs), maxFAQErrors)]...)
	}
	return p.pairs, nil
}

type faqParser struct {
	pairs []Pair
	lines map[string]int // of each normalised question
	errs  []error
}

func (p *faqParser) fail(line int, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...)))
}

// add checks a pair that starts at the line.
func (p *faqParser) add(line int, pair Pair) {
	if len(p.pairs) == maxFAQ {
		p.fail(line, "is one pair too many: a FAQ has at most %d", maxFAQ)
		return
	}
	if strings.TrimSpace(pair.Answer) == "" {
		p.fail(line, "answer is missing or empty")
	}
	for i, q := range append([]string{pair.Question}, pair.Aliases...) {
		what := "question"
		if i > 0 {
			what = fmt.Sprintf("aliases[%d]", i-1)
		}
		normal := normalise(q)
		if normal == "" {
			p.fail(line, "%s is missing or has no words", what)
			continue
		}
		if first, ok := p.lines[normal]; ok {
			p.fail(line, "%s is the same as one of line %d", what, first)
			continue
		}
		if p.lines == nil {
			p.lines = map[string]int{}
		}
		p.lines[normal] = line
	}
	p.pairs = append(p.pairs, pair)
}

const faqFields = "question, answer and aliases"

func (p *faqParser) yaml(data []byte) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil {
		switch {
		case errors.Is(err, io.EOF): // an empty file has no pairs
		case strings.Contains(err.Error(), "line "):
			p.errs = append(p.errs, err)
		default: // the decoder leaves the first line out
			p.fail(1, "%w", err)
		}
		return
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		p.errs = append(p.errs, errors.New("holds more than one YAML document"))
		return
	}
	list := doc.Content[0]
	if list.Kind == yaml.ScalarNode && list.Tag == "!!null" {
		return
	}
	if list.Kind != yaml.SequenceNode {
		p.fail(list.Line, "must be a list of pairs with %s", faqFields)
		return
	}
	for _, item := range list.Content {
		p.yamlPair(item)
	}
}

func (p *faqParser) yamlPair(item *yaml.Node) {
	if item.Kind != yaml.MappingNode {
		p.fail(item.Line, "must be a pair with %s", faqFields)
		return
	}
	var pair Pair
	var seen []string
	for i := 0; i+1 < len(item.Content); i += 2 {
		key, value := item.Content[i], item.Content[i+1]
		if slices.Contains(seen, key.Value) {
			p.fail(key.Line, "%q is there twice", key.Value)
			return
		}
		seen = append(seen, key.Value)
		var ok bool
		switch key.Value {
		case "question":
			pair.Question, ok = scalar(value)
		case "answer":
			pair.Answer, ok = scalar(value)
		case "aliases":
			ok = value.Kind == yaml.SequenceNode
			for _, alias := range value.Content {
				text, isText := scalar(alias)
				pair.Aliases, ok = append(pair.Aliases, text), ok && isText
			}
		default:
			p.fail(key.Line, "has the unknown field %q; a pair has %s", key.Value, faqFields)
			return
		}
		if !ok {
			p.fail(value.Line, "%s has the wrong type: question and answer are text, aliases is a list of texts", key.Value)
			return
		}
	}
	p.add(item.Line, pair)
}

func scalar(n *yaml.Node) (string, bool) {
	return n.Value, n.Kind == yaml.ScalarNode && n.Tag != "!!null"
}

func (p *faqParser) json(data []byte) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	line := func(offset int64) int { return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n")) }
	if token, err := dec.Token(); errors.Is(err, io.EOF) {
		return
	} else if err != nil || token != json.Delim('[') {
		p.fail(line(dec.InputOffset()), "must be a list of pairs with %s", faqFields)
		return
	}
	for dec.More() {
		start := dec.InputOffset()
		start += int64(len(data[start:]) - len(bytes.TrimLeft(data[start:], ", \t\r\n")))
		var pair Pair
		if err := dec.Decode(&pair); err != nil {
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				start = syntax.Offset
			}
			p.fail(line(start), "%v", err)
			return
		}
		p.add(line(start), pair)
	}
	if _, err := dec.Token(); err != nil {
		p.fail(line(dec.InputOffset()), "the list does not end")
	} else if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		p.fail(line(dec.InputOffset()), "something follows the list")
	}
}

func (p *faqParser) csv(data []byte) {
	r := csv.NewReader(bytes.NewReader(data))
	r.TrimLeadingSpace = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return
	} else if err != nil {
		p.errs = append(p.errs, err) // names the line itself
		return
	}
	for i := range header {
		header[i] = strings.ToLower(strings.TrimSpace(header[i]))
	}
	question, answer, aliases := slices.Index(header, "question"), slices.Index(header, "answer"), slices.Index(header, "aliases")
	if question < 0 || answer < 0 {
		p.fail(1, "is %q, and must name the columns question and answer", strings.Join(header, ","))
		return
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			p.errs = append(p.errs, err)
			return
		}
		line, _ := r.FieldPos(0)
		pair := Pair{Question: record[question], Answer: record[answer]}
		if aliases >= 0 && strings.TrimSpace(record[aliases]) != "" {
			for alias := range strings.SplitSeq(record[aliases], "|") {
				pair.Aliases = append(pair.Aliases, strings.TrimSpace(alias))
			}
		}
		p.add(line, pair)
	}
}

// normalise makes equal what people type differently: letter case, spaces, forms
// of one character and the punctuation around words. What is inside a word or
// may be part of a name (C++, C#, -5) stays.
func normalise(question string) string {
	words := strings.Fields(strings.ToLower(norm.NFKC.String(question)))
	kept := words[:0]
	for _, w := range words {
		if w = strings.Trim(w, `.,;:!?¿¡"'“”„‘’«»()[]…`); w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}
