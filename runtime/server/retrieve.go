package server

import (
	"net/http"

	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/retrieve"
)

// retrieveRequest is the body of POST /v1/retrieve.
type retrieveRequest struct {
	Query  string           `json:"query"`
	TopK   int              `json:"top_k"`
	Filter *retrieve.Filter `json:"filter"`
}

// retrieveResponse is its answer.
type retrieveResponse struct {
	// Passages, best first.
	Passages []retrieve.Passage `json:"passages"`
}

// retrieve finds passages without an answer.
func (s *Server) retrieve(w http.ResponseWriter, r *http.Request) error {
	id, err := s.identify(r)
	if err != nil {
		return err
	}
	var body retrieveRequest
	if err := decodeJSON(w, r, s.limits.body, true, &body); err != nil {
		return err
	}
	req := &query.Request{Question: body.Query, TopK: body.TopK, Filter: body.Filter, Representation: legacyPlain}
	if err := s.checkQuestion("query", req.Question); err != nil {
		return err
	}
	if err := s.checkOptions(req, nil); err != nil {
		return err
	}
	if err := askAs(id, req); err != nil {
		return err
	}
	ctx, cancel := s.withTimeout(r.Context())
	defer cancel()
	if err := s.admission.enter(ctx); err != nil {
		return err
	}
	defer s.admission.leave()
	passages, err := s.service.Retrieve(ctx, req)
	if err != nil {
		return err
	}
	return respond(w, retrieveResponse{Passages: append([]retrieve.Passage{}, passages...)})
}

// respond writes a value as JSON.
func respond(w http.ResponseWriter, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	writeJSON(w, body)
	return nil
}
