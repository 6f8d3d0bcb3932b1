package retrieve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/reload"
	"ragops.dev/ragservice/runtime/upstream"
)

// openSearch searches a k-NN index of OpenSearch. Text and metadata are fields
// beside the vector.
type openSearch struct {
	remote
	transport              *openSearchTransport
	client                 *opensearchapi.Client
	index, vector, textKey string
	known                  knownCollection
}

var _ Writer = (*openSearch)(nil)

func openOpenSearch(cfg config.OpenSearch, r remote) (*openSearch, error) {
	transport, err := newOpenSearchTransport(cfg)
	if err != nil {
		return nil, err
	}
	s := &openSearch{
		remote: r, transport: transport, client: opensearchapi.NewFromClient(&opensearch.Client{Transport: transport}),
		index: cfg.Index, vector: cfg.VectorField, textKey: cfg.TextField,
	}
	s.known.read = s.readMapping
	return s, nil
}

// openSearchTransport takes the place of the client's own, which knows a whole
// cluster of nodes and tries again by itself: here there is one endpoint, and
// trying again is the upstream's policy.
type openSearchTransport struct {
	client   *http.Client
	endpoint *url.URL
	login    *reload.File[login] // nil without
}

type login struct{ user, password string }

func newOpenSearchTransport(cfg config.OpenSearch) (*openSearchTransport, error) {
	endpoint, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("openSearch.endpoint: %w", err)
	}
	if endpoint.Path == "" {
		endpoint.Path = "/" // or JoinPath makes a path that is relative
	}
	client, err := upstream.NewHTTPClient(upstream.Secret{})
	if err != nil {
		return nil, err
	}
	t := &openSearchTransport{client: client, endpoint: endpoint}
	if cfg.BasicAuthFile != "" {
		t.login, err = reload.Open(cfg.BasicAuthFile, parseLogin)
		if err != nil {
			return nil, fmt.Errorf("read a secret: %w", err)
		}
	}
	return t, nil
}

func parseLogin(data []byte) (login, error) {
	user, password, ok := strings.Cut(string(bytes.TrimSpace(data)), ":")
	if !ok || user == "" {
		return login{}, errors.New("must be user:password")
	}
	return login{user, password}, nil
}

// Perform implements the client's transport.
func (t *openSearchTransport) Perform(request *http.Request) (*http.Response, error) {
	path := request.URL
	request.URL = t.endpoint.JoinPath(path.Path)
	request.URL.RawQuery = path.RawQuery
	if t.login != nil {
		l := t.login.Get()
		request.SetBasicAuth(l.user, l.password)
	}
	return t.client.Do(request)
}

// Connect opens a connection to the server ahead of the first search.
func (s *openSearch) Connect(ctx context.Context) error {
	return upstream.Connect(ctx, s.transport.client, s.transport.endpoint.String())
}

// Search implements [Store].
func (s *openSearch) Search(ctx context.Context, query Query) ([]Passage, error) {
	return ask(ctx, s.remote, func(ctx context.Context) ([]Passage, error) {
		c, err := s.known.of(ctx, len(query.Vector), query.Filter)
		if err != nil {
			return nil, err
		}
		if err := c.compares(query.Filter, false); err != nil {
			return nil, err
		}
		knn := map[string]any{"vector": query.unitVector(c), "k": query.TopK}
		if query.Filter != nil {
			knn["filter"] = query.Filter.openSearch(c.fields)
		}
		body, err := json.Marshal(map[string]any{
			"size": query.TopK, "_source": map[string]any{"excludes": []string{s.vector}},
			"query": map[string]any{"knn": map[string]any{s.vector: knn}},
		})
		if err != nil {
			return nil, rejected(err)
		}
		found, err := s.client.Search(ctx, &opensearchapi.SearchReq{Indices: []string{s.index}, Body: bytes.NewReader(body)})
		if err != nil {
			return nil, httpError(ctx, err)
		}
		matches := make([]match, 0, len(found.Hits.Hits))
		for i, hit := range found.Hits.Hits {
			m := match{id: hit.ID, score: openSearchCosine(c, float64(hit.Score))}
			if err := json.Unmarshal(hit.Source, &m.fields); err != nil {
				return nil, invalid("the hit %d has no source: %w", i, err)
			}
			if query.Filter.Match(m.fields) {
				matches = append(matches, m)
			}
		}
		return passages(matches, s.textKey, query)
	})
}

// openSearchCosine undoes what OpenSearch makes of a similarity to have a score
// above zero: see "Spaces" in its documentation of k-NN.
func openSearchCosine(c collection, score float64) float64 {
	switch {
	case c.metric == metricDot && score >= 1:
		return score - 1
	case c.metric == metricDot, c.engine == "nmslib" && c.metric == metricCosine:
		// 1/(1+d), with d the negative product, or 1 minus the cosine.
		if score <= 0 {
			return -1
		}
		d := 1/score - 1
		if c.metric == metricDot {
			return -d
		}
		return 1 - d
	}
	return 2*score - 1
}

// Upsert implements [Writer].
func (s *openSearch) Upsert(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, r := range records {
		document := r.fieldsOf(s.textKey)
		document[s.vector] = r.Vector
		action := map[string]any{"index": map[string]any{"_id": r.ID}}
		if err := errors.Join(lines.Encode(action), lines.Encode(document)); err != nil {
			return rejected(err)
		}
	}
	return s.bulk(ctx, body.Bytes())
}

// Delete implements [Writer].
func (s *openSearch) Delete(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, id := range ids {
		if err := lines.Encode(map[string]any{"delete": map[string]any{"_id": id}}); err != nil {
			return rejected(err)
		}
	}
	return s.bulk(ctx, body.Bytes())
}

// bulk sends actions and waits until searches see them.
func (s *openSearch) bulk(ctx context.Context, body []byte) error {
	return tell(ctx, s.remote, func(ctx context.Context) error {
		done, err := s.client.Bulk(ctx, opensearchapi.BulkReq{
			Index: s.index, Body: bytes.NewReader(body), Params: opensearchapi.BulkParams{Refresh: "wait_for"},
		})
		if err != nil {
			return httpError(ctx, err)
		}
		for _, item := range done.Items {
			for action, result := range item {
				if result.Error != nil {
					return openSearchItemError(action, result)
				}
			}
		}
		return nil
	})
}

// openSearchItemError tells the reason only by its type: the text may quote the
// document.
func openSearchItemError(action string, item opensearchapi.BulkRespItem) error {
	e := &upstream.Error{Kind: upstream.KindRejected, Status: item.Status, Err: fmt.Errorf("%s: %s", action, item.Error.Type)}
	switch {
	case item.Status == http.StatusTooManyRequests:
		e.Kind = upstream.KindRateLimited
	case item.Status >= http.StatusInternalServerError:
		e.Kind = upstream.KindUnavailable
	case strings.Contains(item.Error.Reason+item.Error.Cause.Reason, "dimension"):
		e.Err = fmt.Errorf("%s: %s: the vector has not the dimensions of the index", action, item.Error.Type)
	}
	return e
}

// DeleteWhere implements [Writer].
func (s *openSearch) DeleteWhere(ctx context.Context, filter *Filter) error {
	if filter == nil {
		return errNoFilter
	}
	return tell(ctx, s.remote, func(ctx context.Context) error {
		c, err := s.known.current(ctx, filter)
		if err != nil {
			return err
		}
		if err := c.compares(filter, true); err != nil {
			return err
		}
		body, err := json.Marshal(map[string]any{"query": filter.openSearch(c.fields)})
		if err != nil {
			return rejected(err)
		}
		done, err := s.client.Document.DeleteByQuery(ctx, opensearchapi.DocumentDeleteByQueryReq{
			Indices: []string{s.index}, Body: bytes.NewReader(body),
			Params: opensearchapi.DocumentDeleteByQueryParams{Conflicts: "proceed", Refresh: new(true)},
		})
		if err != nil {
			return httpError(ctx, err)
		}
		if len(done.Failures) > 0 {
			return &upstream.Error{Kind: upstream.KindUnavailable, Err: fmt.Errorf("%d documents could not be removed", len(done.Failures))}
		}
		return nil
	})
}

// Close implements [Store].
func (s *openSearch) Close() error {
	s.transport.client.CloseIdleConnections()
	return nil
}
