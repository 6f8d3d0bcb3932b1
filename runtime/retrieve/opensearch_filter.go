package retrieve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"
)

// openSearchMapping is the part of a mapping that matters here.
type openSearchMapping struct {
	Type       string                       `json:"type"`
	Properties map[string]openSearchMapping `json:"properties"`
	// Fields are further ways to index the same value.
	Fields    map[string]openSearchMapping `json:"fields"`
	Dimension int                          `json:"dimension"`
	SpaceType string                       `json:"space_type"`
	Method    struct {
		Engine    string `json:"engine"`
		SpaceType string `json:"space_type"`
	} `json:"method"`
}

// readMapping asks for the fields of the index, or of the first index behind an
// alias.
func (s *openSearch) readMapping(ctx context.Context) (collection, error) {
	response, err := s.client.Indices.Mapping.Get(ctx, &opensearchapi.MappingGetReq{Indices: []string{s.index}})
	if err != nil {
		return collection{}, httpError(ctx, err)
	}
	indices := response.GetIndices()
	if len(indices) == 0 {
		return collection{}, rejected(fmt.Errorf("there is no index %q", s.index))
	}
	var root openSearchMapping
	if err := json.Unmarshal(indices[slices.Min(slices.Collect(maps.Keys(indices)))].Mappings, &root); err != nil {
		return collection{}, invalid("read the mapping: %w", err)
	}
	c := collection{fields: map[string]field{}}
	root.collect("", c.fields)
	vector, ok := root.at(s.vector)
	if !ok || vector.Type != "knn_vector" {
		return collection{}, rejected(fmt.Errorf("the field %q is no knn_vector", s.vector))
	}
	c.dimensions, c.engine = vector.Dimension, vector.Method.Engine
	space := vector.Method.SpaceType
	if space == "" {
		space = vector.SpaceType
	}
	switch space {
	case "cosinesimil":
		c.metric = metricCosine
	case "innerproduct":
		c.metric = metricDot
	case "":
		c.metric = "l2" // OpenSearch's default
	default:
		c.metric = metric(space)
	}
	return c, nil
}

// at finds a field by its path with dots.
func (m openSearchMapping) at(path string) (openSearchMapping, bool) {
	for name := range strings.SplitSeq(path, ".") {
		next, ok := m.Properties[name]
		if !ok {
			return openSearchMapping{}, false
		}
		m = next
	}
	return m, true
}

// collect lists the fields that can be compared. Text, which is cut into words,
// is compared by its keyword.
func (m openSearchMapping) collect(prefix string, fields map[string]field) {
	for name, p := range m.Properties {
		path := prefix + name
		p.collect(path+".", fields)
		f := field{name: path, kind: kind(p.Type)}
		switch p.Type {
		case "keyword", "constant_keyword", "wildcard":
			f.kind = kindText
		case "text":
			f.kind = kindWords
			for sub, way := range p.Fields {
				if way.Type == "keyword" {
					f.name, f.kind = path+"."+sub, kindText
				}
			}
		case "long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float", "scaled_float":
			f.kind = kindNumber
		}
		fields[path] = f
	}
}

// openSearch is the filter in OpenSearch's form. A field that is missing or of
// another type equals nothing.
func (f *Filter) openSearch(fields map[string]field) map[string]any {
	boolean := func(clause string, parts any) map[string]any {
		return map[string]any{"bool": map[string]any{clause: parts}}
	}
	switch f.Type {
	case FilterAnd, FilterOr:
		parts := make([]any, len(f.Filters))
		for i := range f.Filters {
			parts[i] = f.Filters[i].openSearch(fields)
		}
		if f.Type == FilterAnd {
			return boolean("filter", parts)
		}
		return boolean("should", parts)
	case FilterEqual:
		return openSearchTerms(fields[f.Key], []any{f.Value})
	case FilterNotEqual:
		return boolean("must_not", openSearchTerms(fields[f.Key], []any{f.Value}))
	case FilterIn, FilterNotIn:
		list, _ := f.Value.([]any)
		terms := openSearchTerms(fields[f.Key], list)
		if f.Type == FilterNotIn {
			return boolean("must_not", terms)
		}
		return terms
	}
	by := fields[f.Key]
	if by.kind != kindNumber {
		return openSearchNone
	}
	return map[string]any{"range": map[string]any{by.name: map[string]any{f.Type: f.Value}}}
}

var openSearchNone = map[string]any{"match_none": map[string]any{}}

func openSearchTerms(by field, values []any) map[string]any {
	values = slices.DeleteFunc(slices.Clone(values), func(v any) bool { return !by.kind.holds(v) })
	if by.name == "" || len(values) == 0 {
		return openSearchNone
	}
	if by.kind == kindWords {
		parts := make([]any, len(values))
		for i, value := range values {
			parts[i] = map[string]any{"match": map[string]any{by.name: map[string]any{"query": value, "operator": "and"}}}
		}
		return map[string]any{"bool": map[string]any{"should": parts}}
	}
	return map[string]any{"terms": map[string]any{by.name: values}}
}
