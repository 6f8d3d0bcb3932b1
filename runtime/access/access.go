// Package access finds out who asks: by an API key from a mounted file or by a
// signed token of an identity provider. It decides nothing about what a caller
// may see; that follows from the tenant and the user it returns. It never logs or
// returns a key or a token.
package access

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"ragops.dev/ragservice/runtime/config"
)

// Identity is who asks.
type Identity struct {
	// ID names the caller for the rate limit; it holds no secret.
	ID string
	// Tenant and User partition the cache; empty where the key or token does not
	// say.
	Tenant, User string
	// Manage lets the caller change documents, curated answers and the cache.
	Manage bool
}

// The reasons for which nobody is let in.
var (
	// ErrMissing is a request without a key or token.
	ErrMissing = errors.New("no credentials")
	// ErrInvalid is a key or token that is not known, not valid or no longer.
	ErrInvalid = errors.New("invalid credentials")
	// ErrUnavailable is a token that cannot be checked, because the identity
	// provider's keys could not be fetched yet.
	ErrUnavailable = errors.New("the identity provider's keys are not available")
)

// Access lets callers in. Make one with [Open].
type Access struct {
	keys   *keyFile
	tokens *tokens
}

// Open reads the keys and begins to fetch those of the identity provider. Close
// must follow.
func Open(cfg config.Access) (*Access, error) {
	a := &Access{}
	if cfg.APIKeys != nil {
		keys, err := openKeys(cfg.APIKeys.File)
		if err != nil {
			return nil, err
		}
		a.keys = keys
	}
	if cfg.JWT != nil {
		a.tokens = openTokens(*cfg.JWT)
	}
	return a, nil
}

// Close stops fetching keys.
func (a *Access) Close() error {
	if a.tokens != nil {
		a.tokens.close()
	}
	return nil
}

// Authenticate returns who sent the request with that header. An error is
// [ErrMissing], [ErrInvalid], [ErrUnavailable] or the context's own; an ErrInvalid
// wraps why.
func (a *Access) Authenticate(ctx context.Context, header http.Header) (Identity, error) {
	credentials, ok := bearer(header.Get("Authorization"))
	if !ok {
		return Identity{}, ErrMissing
	}
	if a.keys != nil {
		if id, ok := a.keys.find(credentials); ok {
			return id, nil
		}
	}
	// Three parts between dots, as only tokens have.
	if a.tokens != nil && strings.Count(credentials, ".") == 2 {
		return a.tokens.verify(ctx, credentials)
	}
	return Identity{}, ErrInvalid
}

// bearer takes the credentials out of the header's value.
func bearer(value string) (string, bool) {
	scheme, credentials, ok := strings.Cut(value, " ")
	credentials = strings.TrimSpace(credentials)
	return credentials, ok && strings.EqualFold(scheme, "Bearer") && credentials != ""
}
