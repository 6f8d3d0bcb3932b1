package server

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ragops.dev/ragservice/runtime/internal/testpostgres"
)

// overHTTP is a configuration whose vector store is a server of the old API, with
// short deadlines.
func overHTTP(url string) string {
	return withStore("{http: {url: '" + url + "'}, timeout: " + upstreamTimeout.String() + "}")
}

func withStore(store string) string {
	return strings.NewReplacer(
		"{memory: {documents: [DOCUMENTS]}}", store,
		"server: {", fmt.Sprintf("server: {queryTimeout: %s, ", queryDeadline),
	).Replace(embedded)
}

const found = `{"matches": [{"id": "1", "score": 0.9, "metadata": {"text": "Redis is only a cache."}}]}`

// TestVectorStoreFails holds queries to the table of failures while the vector
// store fails: status 503 in time, no answer without passages, and all well again
// afterwards.
func TestVectorStoreFails(t *testing.T) {
	tests := []struct {
		name      string
		fail      http.HandlerFunc
		wantRetry string // of the first failure; "" takes any
		wantState string // the reason in /status
	}{
		{name: "hangs", fail: hangs, wantState: "Timeout"},
		{name: "hangs in the middle", fail: hangsAfter("application/json", found[:20]), wantState: "Timeout"},
		{name: "500", fail: answers(500, "text/html", "<html>"), wantState: "Unavailable"},
		{name: "429", fail: answers(429, "text/plain", "slow down", "Retry-After", "7"), wantRetry: "7", wantState: "RateLimited"},
		{name: "another answer", fail: answers(200, "application/json", `{"results": []}`), wantState: "InvalidResponse"},
		{name: "a page", fail: answers(200, "text/html", "<html>"), wantState: "InvalidResponse"},
		{name: "cut off", fail: cutOff("application/json", found[:20]), wantState: "InvalidResponse"},
		{name: "another protocol", fail: says("SSH-2.0-OpenSSH_9.9\r\n"), wantState: "Unavailable"},
		{name: "closes the connection", fail: says(""), wantState: "Unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // a breaker takes five seconds to let a probe through
			store := newFlaky(t, answers(200, "application/json", found))
			r := run(t, overHTTP(store.URL)+localCache)
			works := func() bool {
				return r.query(t, `{"query": "well?", "cache": {"mode": "bypass"}}`).status == http.StatusOK
			}
			waitFor(t, "an answer", works)

			store.fail(tt.fail)
			first := r.chat(t, hello+"}")
			wantUnavailable(t, first)
			if retry := first.header.Get("Retry-After"); tt.wantRetry != "" && retry != tt.wantRetry {
				t.Errorf("Retry-After: got %q, want %q", retry, tt.wantRetry)
			}
			for _, got := range r.crowd(t, 40, "/v1/chat/completions", func(i int) string {
				return fmt.Sprintf(`{"messages": [{"role": "user", "content": "question %d"}], "stream": %v}`, i, i%2 == 0)
			}) {
				wantUnavailable(t, got)
			}
			if got := r.do(t, http.MethodPost, r.url+"/v1/retrieve", `{"query": "a"}`); got.status != http.StatusServiceUnavailable {
				t.Errorf("retrieval: %d %s", got.status, got.body)
			}
			r.wantHealthyProcess(t)
			if status := r.do(t, http.MethodGet, r.admin+"/status", "").body; !strings.Contains(status, `"reason": "`+tt.wantState+`"`) {
				t.Errorf("the status does not say %s: %s", tt.wantState, status)
			}
			// No request waits for the store any more, and what it left hanging was
			// given up.
			waitFor(t, "the connections to be given back", func() bool { return store.connections.Load() <= 40 })
			if tt.wantState == "Timeout" {
				waitFor(t, "the connections that hang to be closed", func() bool { return store.connections.Load() == 0 })
			}

			store.mend()
			waitFor(t, "an answer again", works)
			if got := r.query(t, `{"query": "question 1"}`); got.status != http.StatusOK || got.header.Get("X-Cache") != "MISS" {
				t.Errorf("afterwards: %d, X-Cache %s, want that nothing was kept", got.status, got.header.Get("X-Cache"))
			}
		})
	}
}

func wantUnavailable(t *testing.T, got response) {
	t.Helper()
	failure, _ := fields(t, got.body)["error"].(map[string]any)
	if got.status != http.StatusServiceUnavailable || failure["code"] != "vector_store_unavailable" {
		t.Errorf("got %d %s, want 503 vector_store_unavailable", got.status, got.body)
	}
	if retry, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || retry < 1 {
		t.Errorf("Retry-After: got %q, want at least a second", got.header.Get("Retry-After"))
	}
}

// wantHealthyProcess checks what a failure of another server must not change.
func (r *running) wantHealthyProcess(t testing.TB) {
	t.Helper()
	for _, url := range []string{r.admin + "/readyz", r.admin + "/livez", r.url + "/health"} {
		if got := r.do(t, http.MethodGet, url, ""); got.status != http.StatusOK {
			t.Errorf("%s: %d", url, got.status)
		}
	}
	waitFor(t, "no query in flight", func() bool {
		return strings.Contains(r.do(t, http.MethodGet, r.admin+"/metrics", "").body, "\nrag_queries_in_flight 0\n")
	})
}

// TestStaleAnswerWithoutTheVectorStore takes the one way round the 503.
func TestStaleAnswerWithoutTheVectorStore(t *testing.T) {
	store := newFlaky(t, answers(200, "application/json", found))
	r := run(t, overHTTP(store.URL)+"cache: {local: {}, ttl: 1ns, staleTTL: 1m}\n")
	first := r.query(t, `{"query": "a"}`)
	store.fail(hangs)
	for range 5 {
		got := r.query(t, `{"query": "a"}`)
		if got.status != http.StatusOK || got.header.Get("X-Cache") != "STALE" || got.body != first.body {
			t.Errorf("got %d, X-Cache %s, %s; want the expired answer", got.status, got.header.Get("X-Cache"), got.body)
		}
	}
	if got := r.query(t, `{"query": "another"}`); got.status != http.StatusServiceUnavailable {
		t.Errorf("a question that was never answered: %d %s", got.status, got.body)
	}
}

// TestPostgresGone stops and freezes the real server, as the database of what is
// known about users and as the vector store.
func TestPostgresGone(t *testing.T) {
	server := testpostgres.Start(t)
	testpostgres.Exec(t, server.DSN, `CREATE TABLE user_preferences (user_id text, plan text); INSERT INTO user_preferences VALUES ('ada', 'gold')`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	write(t, dsn, server.DSN)
	users := run(t, embedded+localCache+
		"userContext: {postgres: {dsnFile: '"+dsn+"', query: 'SELECT plan FROM user_preferences WHERE user_id = $1'}}\n")
	store := run(t, withStore("{pgvector: {dsnFile: '"+dsn+"'}, timeout: "+upstreamTimeout.String()+"}"))
	ask := func(i int) string { return fmt.Sprintf(`{"query": "question %d", "user_id": "ada"}`, i) }
	context := func(got response) any { return fields(t, got.body)["user_context"] }
	works := func() bool {
		return context(users.query(t, `{"query": "well?", "user_id": "ada", "cache": {"mode": "bypass"}}`)) == "applied"
	}
	for _, tt := range []struct {
		name       string
		fail, mend func()
	}{
		{"stopped", server.Stop, server.Restart},
		{"frozen", server.Freeze, server.Continue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			waitFor(t, "the user to be known", works)
			tt.fail()
			defer tt.mend()
			for range 2 { // the second time nothing was kept
				for _, got := range users.crowd(t, 20, "/query", ask) {
					if got.status != http.StatusOK || context(got) != "failed" || got.header.Get("X-Cache") != "MISS" {
						t.Errorf("got %d, X-Cache %s, %s; want an answer that says what it lacks", got.status, got.header.Get("X-Cache"), got.body)
					}
				}
			}
			users.wantHealthyProcess(t)
			if metrics := users.do(t, http.MethodGet, users.admin+"/metrics", "").body; !strings.Contains(metrics, "\nrag_user_context_failures_total ") ||
				strings.Contains(metrics, "\nrag_user_context_failures_total 0\n") {
				t.Error("the metrics do not count the failures")
			}
			for _, got := range store.crowd(t, 20, "/query", questions("question", "")) {
				if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
					t.Errorf("with pgvector: %d %s", got.status, got.body)
				}
			}
			store.wantHealthyProcess(t)
		})
	}
	waitFor(t, "the user to be known again", works)
	if got := users.query(t, ask(1)); context(got) != "applied" {
		t.Errorf("afterwards: %s", got.body)
	}
}
