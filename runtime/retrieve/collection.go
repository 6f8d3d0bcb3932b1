package retrieve

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"
)

// metric is how a store compares vectors.
type metric string

const (
	metricCosine metric = "cosine"
	// metricDot is the inner product: the cosine of vectors of unit length, as most
	// embedding models make them.
	metricDot metric = "dot"
)

// collection is what a store says of the place that is searched.
type collection struct {
	// dimensions of its vectors; 0 where the store does not say.
	dimensions int
	metric     metric
	// vector is its name within a record; empty where there is only one.
	vector string
	// engine computes the scores; only OpenSearch has several.
	engine string
	// fields are the metadata that can be compared, by key; nil where a store
	// compares any value with any.
	fields map[string]field
	// leftOut tells which words the index leaves out: nothing is found by them. It
	// is nil where all are in.
	leftOut func(word string) bool
}

// field is metadata in a store that knows types.
type field struct {
	// name to compare by, which is not always the key.
	name string
	kind kind
}

// kind is the type of a field's values, in the store's own words where it is none
// of these.
type kind string

const (
	kindText    kind = "text"
	kindWords   kind = "words" // text that is cut into words and compared by them
	kindNumber  kind = "number"
	kindInteger kind = "integer"
	kindBoolean kind = "boolean"
)

// holds tells whether values of a kind can equal the value of a filter.
func (k kind) holds(value any) bool {
	switch v := value.(type) {
	case string:
		return k != kindNumber && k != kindInteger && k != kindBoolean
	case float64:
		return k == kindNumber || k == kindInteger && v == math.Trunc(v)
	case bool:
		return k == kindBoolean
	}
	return false
}

// knownCollection asks the store for its collection when the first search needs it, and
// again when a vector, a key or a word does not fit: somebody may have changed it.
type knownCollection struct {
	read func(context.Context) (collection, error)
	last atomic.Pointer[collection]
}

// of returns the collection, which fits vectors of that length.
func (s *knownCollection) of(ctx context.Context, dimensions int, filter *Filter) (collection, error) {
	if known := s.last.Load(); known != nil && known.takes(dimensions) && known.has(filter) {
		return *known, nil
	}
	c, err := s.read(ctx)
	if err != nil {
		return collection{}, err
	}
	if !c.takes(dimensions) {
		return collection{}, rejected(dimensionError(c.dimensions, dimensions))
	}
	if c.metric != metricCosine && c.metric != metricDot {
		return collection{}, rejected(fmt.Errorf("vectors are compared by %q there, and scores need cosine similarity, or the inner product of vectors of unit length", c.metric))
	}
	s.last.Store(&c)
	return c, nil
}

// current returns the collection where no vector is at hand.
func (s *knownCollection) current(ctx context.Context, filter *Filter) (collection, error) {
	if known := s.last.Load(); known != nil && known.has(filter) {
		return *known, nil
	}
	return s.read(ctx)
}

func (c *collection) takes(dimensions int) bool {
	return c.dimensions == 0 || c.dimensions == dimensions
}

// compares tells whether the filter's result can be exact. Words find more than
// what equals, so that the rest must be left out afterwards; that cannot be done
// where the filter says what not to find, or what to delete.
func (c *collection) compares(filter *Filter, deleting bool) error {
	if filter == nil {
		return nil
	}
	for i := range filter.Filters {
		if err := c.compares(&filter.Filters[i], deleting); err != nil {
			return err
		}
	}
	if c.fields[filter.Key].kind == kindWords && (deleting || filter.Type == FilterNotEqual || filter.Type == FilterNotIn) {
		return rejected(fmt.Errorf("%q is cut into words in this store, so %s cannot be exact: index it as a whole", filter.Key, filter.Type))
	}
	return nil
}

// has tells whether all keys of the filter are known, and all its words in the index.
func (c *collection) has(filter *Filter) bool {
	if c.fields == nil || filter == nil {
		return true
	}
	for i := range filter.Filters {
		if !c.has(&filter.Filters[i]) {
			return false
		}
	}
	_, ok := c.fields[filter.Key]
	return (ok || filter.Key == "") && c.indexes(filter)
}

// indexes tells whether the texts that a comparison names can be found. Text as a
// whole can be a stopword, too: "it", say, for a language.
func (c *collection) indexes(comparison *Filter) bool {
	by, known := c.fields[comparison.Key]
	if c.leftOut == nil || !known {
		return true
	}
	for _, value := range comparison.values() {
		text, ok := value.(string)
		if !ok || !by.kind.holds(text) {
			continue
		}
		words := []string{strings.TrimSpace(text)}
		if by.kind == kindWords {
			words = strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !c.leftOut(word) }) {
			return false
		}
	}
	return true
}
