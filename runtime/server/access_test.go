package server

import (
	"net/http"
	"path/filepath"
	"testing"

	"ragops.dev/ragservice/runtime/config"
)

const keyFile = `
- {key: key-of-jane-in-support, tenant: support, user: jane}
- {key: key-of-joe-in-sales-01, tenant: sales, user: joe}
- {key: key-of-the-front-end-1, tenant: support}
- {key: key-of-the-operators-1, manage: true}
`

func TestAccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	write(t, path, keyFile)
	c := inMemory()
	c.Scope = config.ScopeUser
	r := serveParts(t, parts{cache: c, access: &config.Access{APIKeys: &config.APIKeys{File: path}}})
	const (
		jane     = "key-of-jane-in-support"
		joe      = "key-of-joe-in-sales-01"
		frontEnd = "key-of-the-front-end-1"
		operator = "key-of-the-operators-1"
	)
	tests := []struct {
		name             string
		method, path     string // POST /query where empty
		key, body        string
		wantStatus       int
		wantCache        string
		wantAuthenticate bool
	}{
		{name: "nobody", body: `{"query": "a"}`, wantStatus: 401, wantAuthenticate: true},
		{name: "a stranger", key: "key-of-a-stranger-0001", body: `{"query": "a"}`, wantStatus: 401, wantAuthenticate: true},
		{name: "Jane", key: jane, body: `{"query": "a"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "Jane again", key: jane, body: `{"query": "a"}`, wantStatus: 200, wantCache: "HIT-L1"},
		{name: "Jane by name", key: jane, body: `{"query": "a", "user_id": "jane"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "Jane as Joe", key: jane, body: `{"query": "a", "user_id": "joe"}`, wantStatus: 403},
		{name: "Joe asks the same", key: joe, body: `{"query": "a"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "a front end for nobody", key: frontEnd, body: `{"query": "a"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "nobody's answers are not kept", key: frontEnd, body: `{"query": "a"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "a front end for Ann", key: frontEnd, body: `{"query": "a", "user_id": "ann"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "a front end for Ann again", key: frontEnd, body: `{"query": "a", "user_id": "ann"}`, wantStatus: 200, wantCache: "HIT-L1"},
		{name: "a front end for Bob", key: frontEnd, body: `{"query": "a", "user_id": "bob"}`, wantStatus: 200, wantCache: "MISS"},
		{name: "health needs no key", method: "GET", path: "/health", wantStatus: 200},
		{name: "models need one", method: "GET", path: "/v1/models", wantStatus: 401, wantAuthenticate: true},
		{name: "retrieval needs one", path: "/v1/retrieve", body: `{"query": "a"}`, wantStatus: 401, wantAuthenticate: true},
		{name: "chat needs one", path: "/v1/chat/completions", body: hello + "}", wantStatus: 401, wantAuthenticate: true},
		{name: "Jane may not manage", path: "/v1/cache/invalidate", key: jane, body: `{"all": true}`, wantStatus: 403},
		{name: "the operators may", path: "/v1/cache/invalidate", key: operator, body: `{"all": true}`, wantStatus: 200},
		{name: "and what they dropped is gone", key: jane, body: `{"query": "a"}`, wantStatus: 200, wantCache: "MISS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method, path := tt.method, tt.path
			if method == "" {
				method = http.MethodPost
			}
			if path == "" {
				path = "/query"
			}
			var header []string
			if tt.key != "" {
				header = []string{"Authorization", "Bearer " + tt.key}
			}
			got := r.do(t, method, r.url+path, tt.body, header...)
			if got.status != tt.wantStatus || got.header.Get("X-Cache") != tt.wantCache || (got.header.Get("WWW-Authenticate") != "") != tt.wantAuthenticate {
				t.Errorf("got %d, X-Cache %q, %s; want %d, X-Cache %q", got.status, got.header.Get("X-Cache"), got.body, tt.wantStatus, tt.wantCache)
			}
		})
	}
}
