package retrieve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/go-openapi/strfmt"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/batch"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/connection"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/fault"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/filters"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/graphql"
	"github.com/weaviate/weaviate-go-client/v5/weaviate/schema"
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
			if err := errors.Join(c.compares(query.Filter, false), c.weaviateTakes(query.Filter)); err != nil {
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
		return errors.Join(c.compares(filter, true), c.weaviateTakes(filter))
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
