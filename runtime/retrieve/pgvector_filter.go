package retrieve

import (
	"encoding/json"
	"strconv"
	"strings"
)

// sqlArgs are the values of a statement's placeholders. Nothing that a caller
// says becomes part of a statement's text.
type sqlArgs struct{ values []any }

// add returns the placeholder of a value.
func (a *sqlArgs) add(value any) string {
	a.values = append(a.values, value)
	return "$" + strconv.Itoa(len(a.values))
}

// sql is a valid filter as a condition on a jsonb column. Equality is
// containment, which a GIN index on the column serves.
func (f *Filter) sql(column string, args *sqlArgs) string {
	switch f.Type {
	case FilterAnd, FilterOr:
		parts := make([]string, len(f.Filters))
		for i := range f.Filters {
			parts[i] = f.Filters[i].sql(column, args)
		}
		return "(" + strings.Join(parts, " "+strings.ToUpper(f.Type)+" ") + ")"
	case FilterEqual:
		return sqlHolds(column, f.Key, []any{f.Value}, args)
	case FilterNotEqual:
		return "(" + sqlHolds(column, f.Key, []any{f.Value}, args) + " IS NOT TRUE)"
	case FilterIn, FilterNotIn:
		list, _ := f.Value.([]any)
		holds := sqlHolds(column, f.Key, list, args)
		if f.Type == FilterNotIn {
			return "(" + holds + " IS NOT TRUE)"
		}
		return holds
	}
	operator := map[string]string{FilterGreater: ">", FilterGreaterOrEqual: ">=", FilterLess: "<", FilterLessOrEqual: "<="}[f.Type]
	value, _ := f.Value.(float64)
	key := args.add(f.Key) + "::text"
	// As text, so that the number is exactly the caller's.
	number := args.add(strconv.FormatFloat(value, 'f', -1, 64)) + "::text::numeric"
	return "(CASE WHEN jsonb_typeof(" + column + " -> " + key + ") = 'number' THEN (" + column + " ->> " + key + ")::numeric " +
		operator + " " + number + " ELSE FALSE END)"
}

// sqlHolds is true where the key's value is one of the values or a list with one
// of them.
func sqlHolds(column, key string, values []any, args *sqlArgs) string {
	parts := make([]string, 0, 2*len(values))
	for _, value := range values {
		for _, object := range []map[string]any{{key: value}, {key: []any{value}}} {
			data, _ := json.Marshal(object) // strings, numbers and booleans
			parts = append(parts, column+" @> "+args.add(string(data))+"::text::jsonb")
		}
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}
