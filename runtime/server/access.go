package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/query"
)

// identify finds out who asks. Where no access is configured that is nobody, and
// everybody may ask.
func (s *Server) identify(r *http.Request) (access.Identity, error) {
	if s.access == nil {
		return access.Identity{}, nil
	}
	id, err := s.access.Authenticate(r.Context(), r.Header)
	switch {
	case err == nil:
		return id, s.withinRate(r.Context(), id)
	case errors.Is(err, access.ErrMissing):
		return id, &statusError{status: http.StatusUnauthorized, code: "credentials_missing", message: "Send an API key or a token: Authorization: Bearer …", cause: err}
	case errors.Is(err, access.ErrInvalid):
		return id, &statusError{status: http.StatusUnauthorized, code: "credentials_invalid", message: "The API key or token is not valid.", cause: err}
	case errors.Is(err, access.ErrUnavailable):
		return id, &statusError{status: http.StatusServiceUnavailable, code: "identity_provider_unavailable", message: "Tokens cannot be checked at the moment.", retryAfter: time.Second, cause: err}
	}
	return id, err
}

// withinRate counts the request against its caller's rate.
func (s *Server) withinRate(ctx context.Context, id access.Identity) error {
	if s.rate == nil {
		return nil
	}
	decision := s.rate.Allow(ctx, id.ID)
	if decision.Allowed {
		return nil
	}
	return &statusError{
		status: http.StatusTooManyRequests, code: "rate_limit_exceeded", retryAfter: decision.RetryAfter,
		message: fmt.Sprintf("The caller may send %d requests per minute; wait for the seconds that Retry-After names.", decision.Limit),
	}
}

// askAs binds a question to who asks. A user that the key or token names is proven,
// and the request must not name another; otherwise the holder of the key speaks
// for its users.
func askAs(id access.Identity, req *query.Request) error {
	req.Tenant = id.Tenant
	if id.User == "" {
		return nil
	}
	if req.User != "" && req.User != id.User {
		return &statusError{status: http.StatusForbidden, code: "wrong_user", param: "user_id", message: "The request names a user other than its key or token does."}
	}
	req.User = id.User
	req.Legacy = false
	return nil
}

// managementHandler is a handler for those who may change what others are answered.
type managementHandler func(w http.ResponseWriter, r *http.Request, id access.Identity) error

// mayManage lets in who may change what others are answered. Without access nobody
// can prove that here; the admin port, which is closed to callers, serves the same
// endpoints.
func (s *Server) mayManage(h managementHandler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := s.identify(r)
		if err != nil {
			return err
		}
		if !id.Manage {
			return &statusError{status: http.StatusForbidden, code: "not_allowed", message: "This needs a key or token that may manage the service. Without access configured, ask on the admin port."}
		}
		return h(w, r, id)
	}
}

// unguarded is for the admin port.
func unguarded(h managementHandler) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return h(w, r, access.Identity{Manage: true}) }
}
