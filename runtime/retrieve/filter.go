package retrieve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The types of a [Filter].
const (
	FilterAnd            = "and"
	FilterOr             = "or"
	FilterEqual          = "eq"
	FilterNotEqual       = "ne"
	FilterGreater        = "gt"
	FilterGreaterOrEqual = "gte"
	FilterLess           = "lt"
	FilterLessOrEqual    = "lte"
	FilterIn             = "in"
	FilterNotIn          = "nin"
)

// Bounds of a [Filter], so that a caller cannot make a store work for ever.
const (
	maxFilterDepth  = 8
	maxFilterNodes  = 64
	maxFilterList   = 100
	maxFilterKey    = 128
	maxFilterString = 1024
	// maxFilterNumber is the greatest integer that JSON carries exactly.
	maxFilterNumber = 1 << 53
)

// Filter is a condition on metadata in the form of OpenAI's file search: either
// a comparison (Type is eq, ne, gt, gte, lt, lte, in or nin, with Key and
// Value) or a combination (Type is and or or, with Filters).
//
// A comparison is of one type: the number 1 is not the text "1". eq and in hold
// for a list in the metadata where they hold for one of its elements. ne and nin
// are exactly what eq and in are not, so they also hold where the key is missing.
type Filter struct {
	Type string `json:"type"`
	Key  string `json:"key,omitempty"`
	// Value is a string, a float64 or a bool; for gt, gte, lt and lte a float64;
	// for in and nin a []any of strings, float64 and bools.
	Value   any      `json:"value,omitempty"`
	Filters []Filter `json:"filters,omitempty"`
}

// ParseFilter decodes a filter strictly and validates it; null is no filter.
func ParseFilter(data []byte) (*Filter, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var f *Filter
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("filter: something follows after its end")
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return f, nil
}

// Validate says what is wrong with the filter and where, and what would be
// right. A nil filter is valid.
func (f *Filter) Validate() error {
	if f == nil {
		return nil
	}
	nodes := 0
	return f.validate("filter", 1, &nodes)
}

func (f *Filter) validate(path string, depth int, nodes *int) error {
	if *nodes++; *nodes > maxFilterNodes {
		return fmt.Errorf("filter: has more than %d conditions", maxFilterNodes)
	}
	if depth > maxFilterDepth {
		return fmt.Errorf("%s: is nested deeper than %d", path, maxFilterDepth)
	}
	switch f.Type {
	case FilterAnd, FilterOr:
		return f.validateCombination(path, depth, nodes)
	case FilterEqual, FilterNotEqual, FilterGreater, FilterGreaterOrEqual, FilterLess, FilterLessOrEqual, FilterIn, FilterNotIn:
		return f.validateComparison(path)
	case "":
		return fmt.Errorf("%s.type: must be set to eq, ne, gt, gte, lt, lte, in, nin, and or or", path)
	}
	return fmt.Errorf("%s.type: is %s, and must be eq, ne, gt, gte, lt, lte, in, nin, and or or", path, quote(f.Type))
}

func (f *Filter) validateCombination(path string, depth int, nodes *int) error {
	if f.Key != "" || f.Value != nil {
		return fmt.Errorf("%s: %s takes filters, not key and value", path, f.Type)
	}
	if len(f.Filters) == 0 {
		return fmt.Errorf("%s.filters: must hold at least one filter", path)
	}
	for i := range f.Filters {
		if err := f.Filters[i].validate(fmt.Sprintf("%s.filters[%d]", path, i), depth+1, nodes); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter) validateComparison(path string) error {
	if f.Filters != nil {
		return fmt.Errorf("%s: %s takes key and value, not filters", path, f.Type)
	}
	if err := validateKey(f.Key); err != nil {
		return fmt.Errorf("%s.key: %w", path, err)
	}
	switch f.Type {
	case FilterEqual, FilterNotEqual:
		if err := validateScalar(f.Value); err != nil {
			return fmt.Errorf("%s.value: %w", path, err)
		}
	case FilterIn, FilterNotIn:
		list, ok := f.Value.([]any)
		if !ok || len(list) == 0 || len(list) > maxFilterList {
			return fmt.Errorf("%s.value: must be a list of 1 to %d strings, numbers or booleans for %s", path, maxFilterList, f.Type)
		}
		for i, v := range list {
			if err := validateScalar(v); err != nil {
				return fmt.Errorf("%s.value[%d]: %w", path, i, err)
			}
		}
	default:
		if _, ok := f.Value.(float64); !ok {
			return fmt.Errorf("%s.value: must be a number for %s", path, f.Type)
		}
		if err := validateScalar(f.Value); err != nil {
			return fmt.Errorf("%s.value: %w", path, err)
		}
	}
	return nil
}

func validateKey(key string) error {
	switch {
	case key == "":
		return errors.New("must be set to the name of a metadata field")
	case len(key) > maxFilterKey:
		return fmt.Errorf("has %d bytes, and may have at most %d", len(key), maxFilterKey)
	case strings.HasPrefix(key, "$"):
		return errors.New("must not start with $, which is an operator to some stores")
	case !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl):
		return errors.New("must be text without control characters")
	}
	return nil
}

func validateScalar(value any) error {
	switch v := value.(type) {
	case string:
		if len(v) > maxFilterString {
			return fmt.Errorf("has %d bytes, and may have at most %d", len(v), maxFilterString)
		}
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return errors.New("must be UTF-8 text without NUL")
		}
		return nil
	case float64:
		if !(math.Abs(v) <= maxFilterNumber) { // also catches NaN
			return errors.New("must be a number between -2^53 and 2^53")
		}
		return nil
	case bool:
		return nil
	}
	return errors.New("must be a string, a number or a boolean")
}

// quote shows a caller's text in an error, cut where it is long.
func quote(text string) string {
	if len(text) > 32 {
		text = text[:32] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// Match tells whether the metadata meet a valid filter; a nil filter is met by
// all.
func (f *Filter) Match(metadata map[string]any) bool {
	if f == nil {
		return true
	}
	switch f.Type {
	case FilterAnd:
		for i := range f.Filters {
			if !f.Filters[i].Match(metadata) {
				return false
			}
		}
		return true
	case FilterOr:
		for i := range f.Filters {
			if f.Filters[i].Match(metadata) {
				return true
			}
		}
		return false
	case FilterEqual:
		return holds(lookUp(metadata, f.Key), f.Value)
	case FilterNotEqual:
		return !holds(lookUp(metadata, f.Key), f.Value)
	case FilterIn:
		return holdsAny(lookUp(metadata, f.Key), f.Value)
	case FilterNotIn:
		return !holdsAny(lookUp(metadata, f.Key), f.Value)
	}
	return f.matchOrder(lookUp(metadata, f.Key))
}

// lookUp finds a value by its key, or by the path that the key is with its dots.
func lookUp(metadata map[string]any, key string) any {
	if value, ok := metadata[key]; ok {
		return value
	}
	if outer, inner, ok := strings.Cut(key, "."); ok {
		if nested, ok := metadata[outer].(map[string]any); ok {
			return lookUp(nested, inner)
		}
	}
	return nil
}

// values are those that a comparison names, one or a list.
func (f *Filter) values() []any {
	if list, ok := f.Value.([]any); ok {
		return list
	}
	return []any{f.Value}
}

func (f *Filter) matchOrder(have any) bool {
	x, ok := have.(float64)
	if !ok {
		return false
	}
	y, _ := f.Value.(float64)
	switch f.Type {
	case FilterGreater:
		return x > y
	case FilterGreaterOrEqual:
		return x >= y
	case FilterLess:
		return x < y
	case FilterLessOrEqual:
		return x <= y
	}
	return false
}

// holds tells whether a metadata value equals the wanted one or is a list with it.
func holds(have, want any) bool {
	switch have := have.(type) {
	case string, float64, bool:
		return have == want
	case []any:
		for _, h := range have {
			switch h.(type) {
			case string, float64, bool:
				if h == want {
					return true
				}
			}
		}
	}
	return false
}

func holdsAny(have, want any) bool {
	list, _ := want.([]any)
	for _, w := range list {
		if holds(have, w) {
			return true
		}
	}
	return false
}
