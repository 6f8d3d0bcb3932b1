package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"ragops.dev/ragservice/runtime/config"
)

const (
	// leeway for clocks that differ.
	leeway = 30 * time.Second
	// fetchTimeout bounds one fetch of the provider's keys.
	fetchTimeout = 5 * time.Second
	// A token with an unknown key may be of a key made just now. The keys are
	// fetched again for it, but no oftener than this, whoever sends such tokens.
	refetchInterval = 10 * time.Second
	// manageScope is the word in the claim scope that lets a caller change
	// documents, curated answers and the cache.
	manageScope = "ragservice:manage"
)

// algorithms are those with a public key. A symmetric one or none would let
// anybody who knows the public key sign.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// tokens verifies JSON Web Tokens.
type tokens struct {
	cfg    config.JWT
	parser *jwt.Parser
	stop   context.CancelFunc
	client *http.Client

	fetched chan struct{} // closed after the first fetch, however it went
	keys    keyfunc.Keyfunc
}

// openTokens begins to fetch the provider's keys: a provider that is away must not
// hold up the start.
func openTokens(cfg config.JWT) *tokens {
	ctx, stop := context.WithCancel(context.Background())
	t := &tokens{
		cfg: cfg, stop: stop, fetched: make(chan struct{}),
		client: &http.Client{Timeout: fetchTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}},
		parser: jwt.NewParser(
			jwt.WithValidMethods(algorithms), jwt.WithIssuer(cfg.Issuer), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway),
		),
	}
	go t.fetch(ctx)
	return t
}

func (t *tokens) fetch(ctx context.Context) {
	defer close(t.fetched)
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{t.cfg.JWKSURL}, keyfunc.Override{
		Client: t.client, HTTPTimeout: fetchTimeout, RefreshInterval: time.Hour,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(refetchInterval), 1), RateLimitWaitMax: time.Millisecond,
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				if ctx.Err() == nil {
					slog.Warn("the identity provider's keys could not be fetched", "error", err)
				}
			}
		},
	})
	if err != nil {
		slog.Error("access.jwt cannot work", "error", err)
		return
	}
	t.keys = keys
}

func (t *tokens) close() {
	t.stop()
	<-t.fetched
	t.client.CloseIdleConnections()
}

// claims are those of the token; which of them name tenant and user is configured.
type claims struct {
	jwt.RegisteredClaims
	all jwt.MapClaims
}

// UnmarshalJSON keeps the registered claims and all others.
func (c *claims) UnmarshalJSON(data []byte) error {
	return errors.Join(json.Unmarshal(data, &c.RegisteredClaims), json.Unmarshal(data, &c.all))
}

func (t *tokens) verify(ctx context.Context, token string) (Identity, error) {
	select {
	case <-t.fetched:
	case <-ctx.Done():
		return Identity{}, ctx.Err()
	}
	if t.keys == nil {
		return Identity{}, ErrUnavailable
	}
	var c claims
	if _, err := t.parser.ParseWithClaims(token, &c, t.keys.KeyfuncCtx(ctx)); err != nil {
		return Identity{}, t.refusal(ctx, err)
	}
	if !slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(t.cfg.Audiences, a) }) {
		return Identity{}, fmt.Errorf("%w: the token is for another audience", ErrInvalid)
	}
	return t.identity(&c)
}

// refusal says why a token is not taken, and tells a wrong token from a provider
// that could not be asked.
func (t *tokens) refusal(ctx context.Context, err error) error {
	if errors.Is(err, jwt.ErrTokenUnverifiable) {
		if all, readErr := t.keys.Storage().KeyReadAll(ctx); readErr == nil && len(all) == 0 {
			return ErrUnavailable
		}
	}
	for _, reason := range []error{
		jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenInvalidIssuer, jwt.ErrTokenSignatureInvalid, jwt.ErrTokenMalformed,
		jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenUnverifiable,
	} {
		if errors.Is(err, reason) {
			return fmt.Errorf("%w: %w", ErrInvalid, reason)
		}
	}
	return ErrInvalid
}

func (t *tokens) identity(c *claims) (Identity, error) {
	id := Identity{Manage: slices.Contains(c.scopes(), manageScope)}
	var err error
	if id.Tenant, err = c.text(t.cfg.TenantClaim); err != nil {
		return Identity{}, err
	}
	if id.User, err = c.text(t.cfg.UserClaim); err != nil {
		return Identity{}, err
	}
	// Hashed: the rate limit's keys lie in Redis, where no names belong.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", id.Tenant, id.User, c.Subject))
	id.ID = "jwt-" + hex.EncodeToString(sum[:8])
	return id, nil
}

// text returns a claim, "" where it is absent. A claim of another type is refused:
// who cannot be told apart must not share a partition.
func (c *claims) text(name string) (string, error) {
	switch v := c.all[name].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", fmt.Errorf("%w: the claim %s is not a string", ErrInvalid, name)
}

// scopes are the words of the claim scope, as in RFC 8693.
func (c *claims) scopes() []string {
	scope, _ := c.all["scope"].(string)
	return strings.Fields(scope)
}
