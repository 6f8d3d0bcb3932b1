package retrieve

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"
	"github.com/weaviate/weaviate/adapters/repos/db/inverted/stopwords"
	"github.com/weaviate/weaviate/entities/models"
)

// weaviateNobody is no object's ID.
const weaviateNobody = "00000000-0000-0000-0000-000000000000"

// weaviateStopwords tells which words the collection's index leaves out; it is nil
// where the server does not say.
func weaviateStopwords(class *models.Class) (func(string) bool, error) {
	if class.InvertedIndexConfig == nil || class.InvertedIndexConfig.Stopwords == nil {
		return nil, nil
	}
	detector, err := stopwords.NewDetectorFromConfig(*class.InvertedIndexConfig.Stopwords)
	if err != nil {
		return nil, invalid("the collection's stopwords: %w", err)
	}
	return detector.IsStopword, nil
}

// weaviateTakes refuses what the client would write into a query without escaping it
// as GraphQL wants, and what the server answers with an error.
func (c *collection) weaviateTakes(f *Filter) error {
	for _, value := range f.values() {
		text, _ := value.(string)
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return rejected(fmt.Errorf("the value for %q must be text without control characters", f.Key))
		}
	}
	if !c.indexes(f) {
		return rejected(fmt.Errorf("the value for %q is a stopword of the collection, which is in no index: "+
			`set invertedIndexConfig.stopwords.preset of the collection to "none" and restart Weaviate, which reads it when it starts`, f.Key))
	}
	for i := range f.Filters {
		if err := c.weaviateTakes(&f.Filters[i]); err != nil {
			return err
		}
	}
	return nil
}

// weaviate is the filter in Weaviate's form. Only properties that the collection
// has get into it; one that is missing or of another type equals nothing.
func (f *Filter) weaviate(fields map[string]field) *filters.WhereBuilder {
	switch f.Type {
	case FilterAnd, FilterOr:
		parts := make([]*filters.WhereBuilder, len(f.Filters))
		for i := range f.Filters {
			parts[i] = f.Filters[i].weaviate(fields)
		}
		return weaviateJoin(map[string]filters.WhereOperator{FilterAnd: filters.And, FilterOr: filters.Or}[f.Type], parts)
	case FilterEqual:
		return weaviateAnyOf(fields[f.Key], []any{f.Value})
	case FilterNotEqual:
		return weaviateNoneOf(fields[f.Key], []any{f.Value})
	case FilterIn, FilterNotIn:
		list, _ := f.Value.([]any)
		if f.Type == FilterIn {
			return weaviateAnyOf(fields[f.Key], list)
		}
		return weaviateNoneOf(fields[f.Key], list)
	}
	operator := map[string]filters.WhereOperator{
		FilterGreater: filters.GreaterThan, FilterGreaterOrEqual: filters.GreaterThanEqual,
		FilterLess: filters.LessThan, FilterLessOrEqual: filters.LessThanEqual,
	}[f.Type]
	value, _ := f.Value.(float64)
	by := fields[f.Key]
	switch by.kind {
	case kindNumber:
		return filters.Where().WithPath([]string{by.name}).WithOperator(operator).WithValueNumber(value)
	case kindInteger:
		// Between integers, x < 2.5 is x < 3 and x > 2.5 is x > 2.
		if f.Type == FilterLess || f.Type == FilterGreaterOrEqual {
			value = math.Ceil(value)
		}
		return filters.Where().WithPath([]string{by.name}).WithOperator(operator).WithValueInt(int64(math.Floor(value)))
	}
	return weaviateID(filters.Equal)
}

func weaviateID(operator filters.WhereOperator) *filters.WhereBuilder {
	return filters.Where().WithPath([]string{"id"}).WithOperator(operator).WithValueText(weaviateNobody)
}

func weaviateAnyOf(by field, values []any) *filters.WhereBuilder {
	parts := weaviateCompare(by, values, filters.Equal)
	if len(parts) == 0 {
		return weaviateID(filters.Equal)
	}
	return weaviateJoin(filters.Or, parts)
}

func weaviateNoneOf(by field, values []any) *filters.WhereBuilder {
	parts := weaviateCompare(by, values, filters.NotEqual)
	if len(parts) == 0 {
		return weaviateID(filters.NotEqual)
	}
	return weaviateJoin(filters.And, parts)
}

// weaviateJoin leaves a single part as it is: the server wants two or more.
func weaviateJoin(operator filters.WhereOperator, parts []*filters.WhereBuilder) *filters.WhereBuilder {
	if len(parts) == 1 {
		return parts[0]
	}
	return filters.Where().WithOperator(operator).WithOperands(parts)
}

func weaviateCompare(by field, values []any, operator filters.WhereOperator) []*filters.WhereBuilder {
	values = slices.DeleteFunc(slices.Clone(values), func(v any) bool { return by.name == "" || !by.kind.holds(v) })
	parts := make([]*filters.WhereBuilder, len(values))
	for i, value := range values {
		parts[i] = filters.Where().WithPath([]string{by.name}).WithOperator(operator)
		switch v := value.(type) {
		case string:
			parts[i].WithValueText(v)
		case bool:
			parts[i].WithValueBoolean(v)
		case float64:
			if by.kind == kindInteger {
				parts[i].WithValueInt(int64(v))
			} else {
				parts[i].WithValueNumber(v)
			}
		}
	}
	return parts
}
