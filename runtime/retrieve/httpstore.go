package retrieve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// httpStore asks a service that takes
//
//	POST {"vector": […], "top_k": 5, "include_metadata": true, "filter": {…}}
//
// and answers {"matches": [{"id", "score", "metadata": {"text", …}}]}, as the
// services do that RAGService replaces. The score is taken for the cosine
// similarity. The filter is sent in OpenAI's form where there is one, and kept
// here once more: a service that knows no filters finds less, never more.
type httpStore struct {
	remote
	client         *http.Client
	url, textField string
}

var _ Store = (*httpStore)(nil)

func openHTTP(cfg config.HTTPStore, r remote) (*httpStore, error) {
	client, err := upstream.NewHTTPClient(upstream.Secret{File: cfg.APIKeyFile, Header: "Authorization", Prefix: "Bearer "})
	if err != nil {
		return nil, err
	}
	return &httpStore{remote: r, client: client, url: cfg.URL, textField: cfg.TextField}, nil
}

// httpStoreRequest writes the body of a search. The vector is nearly all of it.
func httpStoreRequest(query Query) ([]byte, error) {
	const digits = 13 // of most components, with the comma
	body := make([]byte, 0, 128+digits*len(query.Vector))
	body = append(body, `{"vector":[`...)
	for i, component := range query.Vector {
		if f := float64(component); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, rejected(errors.New("the question's vector holds what is no number"))
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = strconv.AppendFloat(body, float64(component), 'g', -1, 32)
	}
	body = append(body, `],"top_k":`...)
	body = strconv.AppendInt(body, int64(query.TopK), 10)
	body = append(body, `,"include_metadata":true`...)
	if query.Filter != nil {
		filter, err := json.Marshal(query.Filter)
		if err != nil {
			return nil, rejected(err)
		}
		body = append(append(body, `,"filter":`...), filter...)
	}
	return append(body, '}'), nil
}

type httpStoreResponse struct {
	Matches []struct {
		// ID is a string or a number.
		ID       any            `json:"id"`
		Score    *float64       `json:"score"`
		Metadata map[string]any `json:"metadata"`
	} `json:"matches"`
}

// Connect opens a connection to the service ahead of the first search.
func (s *httpStore) Connect(ctx context.Context) error {
	return upstream.Connect(ctx, s.client, s.url)
}

// Search implements [Store].
func (s *httpStore) Search(ctx context.Context, query Query) ([]Passage, error) {
	body, err := httpStoreRequest(query)
	if err != nil {
		return nil, err
	}
	return ask(ctx, s.remote, func(ctx context.Context) ([]Passage, error) {
		response, err := s.post(ctx, body)
		if err != nil {
			return nil, err
		}
		matches := make([]match, 0, len(response.Matches))
		for i, m := range response.Matches {
			if m.Score == nil {
				return nil, invalid("matches[%d] has no score", i)
			}
			if query.Filter.Match(m.Metadata) {
				matches = append(matches, match{id: fmt.Sprint(m.ID), score: *m.Score, fields: m.Metadata})
			}
		}
		return passages(matches, s.textField, query)
	})
}

func (s *httpStore) post(ctx context.Context, body []byte) (*httpStoreResponse, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, rejected(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, httpError(ctx, err)
	}
	defer response.Body.Close()
	var decoded httpStoreResponse
	if err := upstream.DecodeJSON(response.Body, &decoded); err != nil {
		return nil, httpError(ctx, err)
	}
	if decoded.Matches == nil {
		return nil, invalid("the answer has no field matches")
	}
	return &decoded, nil
}

// Close implements [Store].
func (s *httpStore) Close() error {
	s.client.CloseIdleConnections()
	return nil
}
