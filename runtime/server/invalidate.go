package server

import (
	"errors"
	"net/http"
	"time"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/cache"
)

// invalidateRequest is the body of POST /v1/cache/invalidate: one of the fields
// that say which answers, and dry_run to count them only.
type invalidateRequest struct {
	cache.Selector
	DryRun bool `json:"dry_run"`
}

// invalidateResponse counts what was, or would be, dropped.
type invalidateResponse struct {
	// Redis and Local count answers in Redis and in this replica's memory. The
	// memory of other replicas is dropped too, but not counted.
	Redis  int  `json:"redis"`
	Local  int  `json:"local"`
	DryRun bool `json:"dry_run"`
}

func (s *Server) invalidate(w http.ResponseWriter, r *http.Request, _ access.Identity) error {
	var body invalidateRequest
	if err := decodeJSON(w, r, s.limits.body, true, &body); err != nil {
		return err
	}
	if s.cache == nil {
		return &statusError{status: http.StatusNotFound, code: "no_cache", message: "The service has no cache."}
	}
	report, err := s.cache.Invalidate(r.Context(), body.Selector, body.DryRun)
	switch {
	case errors.Is(err, cache.ErrSelector):
		return badRequest("", "The request is wrong: "+err.Error()+".")
	case err != nil:
		return &statusError{status: http.StatusServiceUnavailable, code: "cache_unavailable", retryAfter: time.Second, message: "Redis could not be asked; this replica has dropped the answers, and others may still have them. Ask again.", cause: err}
	}
	return respond(w, invalidateResponse{Redis: report.Redis, Local: report.Local, DryRun: report.DryRun})
}
