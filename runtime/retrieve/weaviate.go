package retrieve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/go-openapi/strfmt"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/batch"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/connection"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/fault"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/graphql"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/schema"
	"github.com/weaviate/weaviate/adapters/repos/db/inverted/stopwords"
	"github.com/weaviate/weaviate/entities/models"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// weaviateStore searches a collection of Weaviate, over HTTP. Text and metadata
// are properties of the objects.
type weaviateStore struct {
	remote
	http *http.Client
	// The parts of the official client that are needed: made as a whole, it asks
	// the server for its version at once, without a deadline.
	classes               *schema.API
	queries               *graphql.API
	batches               *batch.API
	endpoint              string
	collection, textField string
	known                 knownCollection
}

var _ Writer = (*weaviateStore)(nil)

func openWeaviate(cfg config.Weaviate, r remote) (*weaviateStore, error) {
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("weaviate.endpoint: %w", err)
	}
	client, err := upstream.NewHTTPClient(upstream.Secret{File: cfg.APIKeyFile, Header: "Authorization", Prefix: "Bearer "})
	if err != nil {
		return nil, err
	}
	host := endpoint.Host + strings.TrimRight(endpoint.Path, "/")
	conn := connection.NewConnection(endpoint.Scheme, host, client, 0, nil)
	weaviateConnections.keep(conn)
	s := &weaviateStore{
		remote: r, http: client, endpoint: cfg.Endpoint, collection: cfg.Collection, textField: cfg.TextField,
		classes: schema.New(conn), queries: graphql.New(conn), batches: batch.New(conn, nil, nil),
	}
	s.known.read = s.readClass
	return s, nil
}

// weaviateConnections keeps connections from the garbage collector: one that is
// collected blocks the goroutine on which the process runs all its finalizers.
var weaviateConnections connectionKeeper

type connectionKeeper struct {
	mu          sync.Mutex
	connections []*connection.Connection
}

func (k *connectionKeeper) keep(conn *connection.Connection) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.connections = append(k.connections, conn)
}

// Connect opens a connection to the server ahead of the first search.
func (s *weaviateStore) Connect(ctx context.Context) error {
	return upstream.Connect(ctx, s.http, s.endpoint)
}

// readClass asks for the collection's properties and how it compares vectors.
func (s *weaviateStore) readClass(ctx context.Context) (collection, error) {
	class, err := s.classes.ClassGetter().WithClassName(s.collection).Do(ctx)
	if err != nil {
		return collection{}, weaviateError(ctx, err)
	}
	c := collection{fields: map[string]field{}}
	if c.leftOut, err = weaviateStopwords(class); err != nil {
		return collection{}, err
	}
	for _, p := range class.Properties {
		c.fields[p.Name] = field{name: p.Name, kind: weaviateKind(p)}
	}
	index := class.VectorIndexConfig
	if named := class.VectorConfig; len(named) > 0 {
		if len(named) > 1 {
			return collection{}, rejected(fmt.Errorf("the collection has %d named vectors, and must have one", len(named)))
		}
		for name, v := range named {
			c.vector, index = name, v.VectorIndexConfig
		}
	}
	settings, _ := index.(map[string]any)
	switch distance, _ := settings["distance"].(string); distance {
	case "cosine", "":
		c.metric = metricCosine
	case "dot":
		c.metric = metricDot
	default:
		c.metric = metric(distance)
	}
	return c, nil
}

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

func weaviateKind(p *models.Property) kind {
	if len(p.DataType) != 1 {
		return "reference"
	}
	switch dataType := strings.TrimSuffix(p.DataType[0], "[]"); dataType {
	case "text", "string":
		if p.Tokenization == models.PropertyTokenizationField {
			return kindText
		}
		return kindWords
	case "number":
		return kindNumber
	case "int":
		return kindInteger
	case "boolean":
		return kindBoolean
	default:
		return kind(dataType)
	}
}

// Search implements [Store].
func (s *weaviateStore) Search(ctx context.Context, query Query) ([]Passage, error) {
	return ask(ctx, s.remote, func(ctx context.Context) ([]Passage, error) {
		c, err := s.known.of(ctx, len(query.Vector), query.Filter)
		if err != nil {
			return nil, err
		}
		near := s.queries.NearVectorArgBuilder().WithVector(models.Vector(query.unitVector(c)))
		if c.vector != "" {
			near.WithTargetVectors(c.vector)
		}
		get := s.queries.Get().WithClassName(s.collection).WithNearVector(near).WithLimit(query.TopK).WithFields(weaviateFields(c)...)
		if query.Filter != nil {
			if err := errors.Join(c.compares(query.Filter, false), query.Filter.weaviateWritable(c)); err != nil {
				return nil, err
			}
			get.WithWhere(query.Filter.weaviate(c.fields))
		}
		response, err := get.Do(ctx)
		if err != nil {
			return nil, weaviateError(ctx, err)
		}
		matches, err := weaviateMatches(response, c, s.collection, query.Filter)
		if err != nil {
			return nil, err
		}
		return passages(matches, s.textField, query)
	})
}

// weaviateFields asks for all properties that hold a plain value.
func weaviateFields(c collection) []graphql.Field {
	fields := []graphql.Field{{Name: "_additional", Fields: []graphql.Field{{Name: "id"}, {Name: "distance"}}}}
	for name, f := range c.fields {
		switch f.kind {
		case kindText, kindWords, kindNumber, kindInteger, kindBoolean, "date", "uuid":
			fields = append(fields, graphql.Field{Name: name})
		}
	}
	return fields
}

// weaviateMatches reads the GraphQL answer. The distance is 1 minus the cosine, or
// the negative product.
func weaviateMatches(response *models.GraphQLResponse, c collection, class string, filter *Filter) ([]match, error) {
	if len(response.Errors) > 0 {
		return nil, weaviateQueryError(response.Errors[0].Message)
	}
	data, err := json.Marshal(response.Data["Get"])
	if err != nil {
		return nil, invalid("%w", err)
	}
	var found map[string][]map[string]any
	if err := json.Unmarshal(data, &found); err != nil {
		return nil, invalid("the answer has no list of %s", class)
	}
	matches := make([]match, 0, len(found[class]))
	for _, object := range found[class] {
		additional, _ := object["_additional"].(map[string]any)
		id, _ := additional["id"].(string)
		distance, ok := additional["distance"].(float64)
		if !ok {
			return nil, invalid("an object has no distance")
		}
		delete(object, "_additional")
		for key, value := range object {
			if value == nil {
				delete(object, key)
			}
		}
		score := 1 - distance
		if c.metric == metricDot {
			score = -distance
		}
		if filter.Match(object) {
			matches = append(matches, match{id: id, score: score, fields: object})
		}
	}
	return matches, nil
}

// weaviateQueryError tells a wrong query from a server in trouble. The text may
// quote the query, so it is not repeated.
func weaviateQueryError(message string) error {
	switch {
	case strings.Contains(message, "vector lengths don't match"), strings.Contains(message, "dimension"):
		return rejected(errors.New("the question's vector has not the dimensions of those in the store: " +
			"is the embedding model the one that the store was filled with?"))
	case strings.Contains(message, "context deadline exceeded"):
		return &upstream.Error{Kind: upstream.KindTimeout, Err: errors.New("the query took too long in the store")}
	}
	return rejected(errors.New("the query was not understood: are the collection and its properties as configured?"))
}

// Upsert implements [Writer]. Properties that the collection lacks are added, with
// text as a whole, so that filters are exact.
func (s *weaviateStore) Upsert(ctx context.Context, records []Record) error {
	return tell(ctx, s.remote, func(ctx context.Context) error {
		c, err := s.readClass(ctx)
		if err != nil {
			return err
		}
		objects := make([]*models.Object, len(records))
		for i, r := range records {
			if err := s.addProperties(ctx, c, r); err != nil {
				return err
			}
			objects[i] = &models.Object{Class: s.collection, ID: strfmt.UUID(r.ID), Properties: r.fieldsOf(s.textField)}
			if c.vector != "" {
				objects[i].Vectors = models.Vectors{c.vector: models.Vector(r.Vector)}
			} else {
				objects[i].Vector = r.Vector
			}
		}
		results, err := s.batches.ObjectsBatcher().WithObjects(objects...).Do(ctx)
		if err != nil {
			return weaviateError(ctx, err)
		}
		for _, result := range results {
			if result.Result != nil && result.Result.Errors != nil && len(result.Result.Errors.Error) > 0 {
				return weaviateQueryError(result.Result.Errors.Error[0].Message)
			}
		}
		return nil
	})
}

func (s *weaviateStore) addProperties(ctx context.Context, c collection, r Record) error {
	for key, value := range r.fieldsOf(s.textField) {
		if _, ok := c.fields[key]; ok {
			continue
		}
		property, err := weaviateProperty(key, value, key != s.textField)
		if err != nil {
			return err
		}
		err = s.classes.PropertyCreator().WithClassName(s.collection).WithProperty(property).Do(ctx)
		if err != nil {
			return weaviateError(ctx, err)
		}
		c.fields[key] = field{name: key, kind: weaviateKind(property)}
	}
	return nil
}

func weaviateProperty(key string, value any, whole bool) (*models.Property, error) {
	p := &models.Property{Name: key}
	suffix := ""
	if list, ok := value.([]any); ok && len(list) > 0 {
		value, suffix = list[0], "[]"
	}
	switch value.(type) {
	case string:
		p.DataType = []string{"text" + suffix}
		if whole {
			p.Tokenization = models.PropertyTokenizationField
		}
	case float64:
		p.DataType = []string{"number" + suffix}
	case bool:
		p.DataType = []string{"boolean" + suffix}
	default:
		return nil, rejected(fmt.Errorf("metadata %q: must be a string, a number, a boolean or a list of one of these", key))
	}
	return p, nil
}

// Delete implements [Writer].
func (s *weaviateStore) Delete(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.deleteWhere(ctx, filters.Where().WithPath([]string{"id"}).WithOperator(filters.ContainsAny).WithValueText(ids...))
}

// DeleteWhere implements [Writer].
func (s *weaviateStore) DeleteWhere(ctx context.Context, filter *Filter) error {
	if filter == nil {
		return errNoFilter
	}
	var where *filters.WhereBuilder
	err := tell(ctx, s.remote, func(ctx context.Context) error {
		c, err := s.known.current(ctx, filter)
		if err != nil {
			return err
		}
		where = filter.weaviate(c.fields)
		return errors.Join(c.compares(filter, true), filter.weaviateWritable(c))
	})
	if err != nil {
		return err
	}
	return s.deleteWhere(ctx, where)
}

// deleteWhere removes in rounds: the server removes a bounded number at a time.
func (s *weaviateStore) deleteWhere(ctx context.Context, where *filters.WhereBuilder) error {
	return tell(ctx, s.remote, func(ctx context.Context) error {
		for {
			done, err := s.batches.ObjectsBatchDeleter().WithClassName(s.collection).WithWhere(where).Do(ctx)
			switch {
			case err != nil:
				return weaviateError(ctx, err)
			case done.Results == nil:
				return invalid("the answer does not say what was removed")
			case done.Results.Failed > 0:
				return &upstream.Error{Kind: upstream.KindUnavailable, Err: fmt.Errorf("%d objects could not be removed", done.Results.Failed)}
			case done.Results.Matches <= done.Results.Limit:
				return nil
			}
		}
	})
}

// Close implements [Store].
func (s *weaviateStore) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// weaviateError looks within the client's error, which does not unwrap.
func weaviateError(ctx context.Context, err error) error {
	if wrapped, ok := errors.AsType[*fault.WeaviateClientError](err); ok && wrapped.DerivedFromError != nil {
		err = wrapped.DerivedFromError
	}
	return httpError(ctx, err)
}

// weaviateNobody is no object's ID.
const weaviateNobody = "00000000-0000-0000-0000-000000000000"

// weaviateWritable refuses what the client would write into a query without
// escaping it as GraphQL wants, and what the server answers with an error.
func (f *Filter) weaviateWritable(c collection) error {
	values, ok := f.Value.([]any)
	if !ok {
		values = []any{f.Value}
	}
	for _, value := range values {
		text, ok := value.(string)
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return rejected(fmt.Errorf("the value for %q must be text without control characters", f.Key))
		}
		if ok && !c.indexes(text, c.fields[f.Key].kind) {
			return rejected(fmt.Errorf("the value for %q is a stopword of the collection, which is in no index: "+
				`set invertedIndexConfig.stopwords.preset of the collection to "none"`, f.Key))
		}
	}
	for i := range f.Filters {
		if err := f.Filters[i].weaviateWritable(c); err != nil {
			return err
		}
	}
	return nil
}

// indexes tells whether text can be found. Text as a whole can be a stopword, too:
// "it", say, for a language.
func (c *collection) indexes(text string, k kind) bool {
	words := []string{strings.TrimSpace(text)}
	if k == kindWords {
		words = strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	}
	return c.leftOut == nil || slices.ContainsFunc(words, func(word string) bool { return !c.leftOut(word) })
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
