package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"ragops.dev/ragservice/runtime/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	plainKey  = "a-key-of-the-support-team"
	hashedKey = "another-key-of-16"
	keys      = `
- {key: a-key-of-the-support-team, tenant: support, user: jane}
- {sha256: HASH, tenant: sales, manage: true}
`
)

func writeKeys(t *testing.T, path, content string) {
	t.Helper()
	content = strings.ReplaceAll(content, "HASH", sha256Hex(hashedKey))
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAPIKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	writeKeys(t, path, keys)
	a, err := Open(config.Access{APIKeys: &config.APIKeys{File: path}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	tests := []struct {
		name    string
		header  string
		want    Identity
		wantErr error
	}{
		{name: "a key", header: "Bearer " + plainKey, want: Identity{Tenant: "support", User: "jane"}},
		{name: "a key that the file has as a hash", header: "bearer " + hashedKey, want: Identity{Tenant: "sales", Manage: true}},
		{name: "a wrong key", header: "Bearer " + plainKey + "s", wantErr: ErrInvalid},
		{name: "the hash is no key", header: "Bearer " + sha256Hex(hashedKey), wantErr: ErrInvalid},
		{name: "no header", wantErr: ErrMissing},
		{name: "no key", header: "Bearer ", wantErr: ErrMissing},
		{name: "another scheme", header: "Basic " + plainKey, wantErr: ErrMissing},
		{name: "a token where none are taken", header: "Bearer a.b.c", wantErr: ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := a.Authenticate(t.Context(), http.Header{"Authorization": {tt.header}})
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error: got %v, want %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Identity{}, "ID")); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
			if err == nil && (got.ID == "" || strings.Contains(got.ID, plainKey)) {
				t.Errorf("ID: got %q, want a name that is not the key", got.ID)
			}
		})
	}
}

func TestAPIKeysFollowTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	synctest.Test(t, func(t *testing.T) {
		writeKeys(t, path, keys)
		a, err := Open(config.Access{APIKeys: &config.APIKeys{File: path}})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		old, fresh := http.Header{"Authorization": {"Bearer " + plainKey}}, http.Header{"Authorization": {"Bearer the-key-after-rotation"}}
		writeKeys(t, path, "- {key: the-key-after-rotation}\n")
		time.Sleep(2 * time.Second) // the bubble's clock
		if _, err := a.Authenticate(t.Context(), old); !errors.Is(err, ErrInvalid) {
			t.Errorf("the old key: got %v, want it refused", err)
		}
		if _, err := a.Authenticate(t.Context(), fresh); err != nil {
			t.Errorf("the new key: got %v, want it taken", err)
		}
	})
}

func TestKeyFileErrors(t *testing.T) {
	tests := []struct {
		name, in, want string
	}{
		{name: "empty", in: "", want: "holds no key"},
		{name: "no list", in: "key: sesame-sesame-sesame", want: "line 1 does not fit"},
		{name: "unknown field", in: "- {kee: sesame-sesame-sesame}", want: "line 1 does not fit"},
		{name: "broken", in: "- {key: sesame-sesame-sesame", want: "not valid YAML"},
		{name: "neither", in: "- {tenant: a}", want: "entry 1: set exactly one of key and sha256"},
		{name: "both", in: "- {key: sesame-sesame-sesame, sha256: HASH}", want: "entry 1: set exactly one"},
		{name: "short", in: "- {key: sesame}", want: "entry 1: the key has fewer than 16"},
		{name: "no hash", in: "- {sha256: sesame}", want: "entry 1: sha256 must be 64"},
		{name: "twice", in: "- {key: another-key-of-16}\n- {sha256: HASH}", want: "entry 2: the key is there twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseKeys([]byte(strings.ReplaceAll(tt.in, "HASH", sha256Hex(hashedKey))))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
}

// provider is an identity provider: it publishes one key and signs with it.
type provider struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(jwks) }))}
	t.Cleanup(p.Close)
	return p
}

func (p *provider) sign(t *testing.T, method jwt.SigningMethod, key any, kid string, changes map[string]any) string {
	t.Helper()
	all := jwt.MapClaims{
		"iss": "https://issuer", "aud": []string{"rag", "other"}, "exp": time.Now().Add(time.Hour).Unix(), "sub": "jane", "tenant": "support",
	}
	for name, value := range changes {
		if value == nil {
			delete(all, name)
			continue
		}
		all[name] = value
	}
	token := jwt.NewWithClaims(method, all)
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestTokens(t *testing.T) {
	p := newProvider(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(config.Access{JWT: &config.JWT{
		Issuer: "https://issuer", Audiences: []string{"rag"}, JWKSURL: p.URL, TenantClaim: "tenant", UserClaim: "sub",
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	es256 := func(changes map[string]any) string { return p.sign(t, jwt.SigningMethodES256, p.key, "k1", changes) }
	tests := []struct {
		name    string
		token   string
		want    Identity
		wantErr error
	}{
		{name: "a good token", token: es256(nil), want: Identity{Tenant: "support", User: "jane"}},
		{name: "one that may manage", token: es256(map[string]any{"scope": "openid ragservice:manage"}), want: Identity{Tenant: "support", User: "jane", Manage: true}},
		{name: "one without a tenant", token: es256(map[string]any{"tenant": nil}), want: Identity{User: "jane"}},
		{name: "expired", token: es256(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), wantErr: ErrInvalid},
		{name: "for ever", token: es256(map[string]any{"exp": nil}), wantErr: ErrInvalid},
		{name: "not yet valid", token: es256(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), wantErr: ErrInvalid},
		{name: "of another issuer", token: es256(map[string]any{"iss": "https://other"}), wantErr: ErrInvalid},
		{name: "for another audience", token: es256(map[string]any{"aud": "shop"}), wantErr: ErrInvalid},
		{name: "for nobody", token: es256(map[string]any{"aud": nil}), wantErr: ErrInvalid},
		{name: "whose tenant is a list", token: es256(map[string]any{"tenant": []string{"a", "b"}}), wantErr: ErrInvalid},
		{name: "signed by a stranger", token: p.sign(t, jwt.SigningMethodES256, stranger, "k1", nil), wantErr: ErrInvalid},
		{name: "with a key nobody knows", token: p.sign(t, jwt.SigningMethodES256, stranger, "k2", nil), wantErr: ErrInvalid},
		{name: "signed by nobody", token: p.sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "k1", nil), wantErr: ErrInvalid},
		{name: "signed with the public key as a secret", token: p.sign(t, jwt.SigningMethodHS256, []byte("public"), "k1", nil), wantErr: ErrInvalid},
		{name: "no token", token: "a.b.c", wantErr: ErrInvalid},
		{name: "a key", token: "some-api-key-or-other", wantErr: ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := a.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + tt.token}})
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error: got %v, want %v", err, tt.wantErr)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Identity{}, "ID")); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokensWithoutTheProvider(t *testing.T) {
	p := newProvider(t)
	token := p.sign(t, jwt.SigningMethodES256, p.key, "k1", nil)
	p.Close()
	a, err := Open(config.Access{JWT: &config.JWT{Issuer: "https://issuer", Audiences: []string{"rag"}, JWKSURL: p.URL}})
	if err != nil {
		t.Fatalf("the start must not need the provider: %v", err)
	}
	defer a.Close()
	if _, err := a.Authenticate(t.Context(), http.Header{"Authorization": {"Bearer " + token}}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
