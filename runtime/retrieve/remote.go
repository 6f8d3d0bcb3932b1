package retrieve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	"ragops.dev/ragservice/runtime/upstream"
)

// remote is what the stores behind a network have in common.
type remote struct {
	upstream *upstream.Upstream
	// timeout bounds one search or write, with its retries.
	timeout time.Duration
}

// ask makes a call within the timeout and the upstream's policies.
func ask[T any](ctx context.Context, r remote, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return upstream.Do(ctx, r.upstream, call)
}

// tell makes a call that brings nothing back.
func tell(ctx context.Context, r remote, call func(context.Context) error) error {
	_, err := ask(ctx, r, func(ctx context.Context) (struct{}, error) { return struct{}{}, call(ctx) })
	return err
}

// rejected is an error for what a store refuses or would refuse.
func rejected(err error) error {
	return &upstream.Error{Kind: upstream.KindRejected, Err: err}
}

// invalid is an error for an answer that cannot be understood.
func invalid(format string, args ...any) error {
	return &upstream.Error{Kind: upstream.KindInvalidResponse, Err: fmt.Errorf(format, args...)}
}

// match is a passage as a store returned it.
type match struct {
	id    string
	score float64
	// fields hold the text and the metadata.
	fields map[string]any
}

// passages turns matches into what was asked for. Matches without a text are left
// out; that all are is an error, for then the text field is not the right one.
func passages(matches []match, textField string, query Query) ([]Passage, error) {
	found := make([]Passage, 0, len(matches))
	withText := 0
	for _, m := range matches {
		text, _ := m.fields[textField].(string)
		if text == "" {
			continue
		}
		withText++
		if m.score < query.MinScore {
			continue
		}
		metadata := maps.Clone(m.fields)
		delete(metadata, textField)
		found = append(found, Passage{ID: m.id, Text: text, Source: sourceOf(metadata), Score: m.score, Metadata: metadata})
	}
	if len(matches) > 0 && withText == 0 {
		return nil, invalid("none of the %d passages found has a text in %q: is it the right field?", len(matches), textField)
	}
	slices.SortStableFunc(found, func(a, b Passage) int { return cmp.Compare(b.Score, a.Score) })
	return found[:min(len(found), query.TopK)], nil
}

// sourceOf also looks where LangChain's stores keep the metadata, one level down.
func sourceOf(metadata map[string]any) string {
	source, ok := metadata[MetadataSource].(string)
	if nested, isMap := metadata["metadata"].(map[string]any); !ok && isMap {
		source, _ = nested[MetadataSource].(string)
	}
	return source
}

// unitVector is the question's vector as the collection needs it: of unit length
// where vectors are compared by their inner product.
func (q Query) unitVector(c collection) []float32 {
	if c.metric != metricDot {
		return q.Vector
	}
	unit := slices.Clone(q.Vector)
	normalize(unit)
	return unit
}

// fieldsOf are the fields of a record to write: its metadata and its text.
func (r Record) fieldsOf(textField string) map[string]any {
	fields := maps.Clone(r.Metadata)
	if fields == nil {
		fields = map[string]any{}
	}
	fields[textField] = r.Text
	return fields
}

// httpError finds the error that the HTTP client made, which a store's own client
// may have wrapped; what is none is an answer that was not understood. Of the
// store's client nothing is repeated: it may quote the whole answer.
func httpError(ctx context.Context, err error) error {
	if known, ok := errors.AsType[*upstream.Error](err); ok {
		if failed, ok := errors.AsType[*net.OpError](known.Err); ok {
			bare := *known
			bare.Err = failed.Err // without the address
			return &bare
		}
		return known
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return invalid("the answer is no JSON: %w", syntax)
	}
	return invalid("the answer has not the form expected")
}

// errNoFilter guards against a filter that would remove everything.
var errNoFilter = errors.New("retrieve: DeleteWhere needs a filter")
