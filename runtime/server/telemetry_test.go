package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ragops.dev/ragservice/runtime/internal/testredis"
)

// everything is a configuration with every part that has metrics or writes logs,
// over servers that repeat to the caller all that they are told.
type everything struct {
	*running
	model, store *flaky
	redis        *testredis.Server
}

// What must never be seen in a log.
const (
	secretQuestion = "aardvark"
	secretKey      = "sk-secret-of-ours"
)

func runEverything(t *testing.T, log *slog.Logger) everything {
	t.Helper()
	e := everything{model: newFlakyModel(t), store: newFlaky(t, answers(200, "application/json", found)), redis: testredis.Start(t, "--requirepass", secretKey)}
	dir := t.TempDir()
	key, dsn, keys, faq := filepath.Join(dir, "key"), filepath.Join(dir, "dsn"), filepath.Join(dir, "keys.yaml"), filepath.Join(dir, "faq.yaml")
	write(t, key, secretKey)
	write(t, dsn, "postgres://someone:"+secretKey+"@127.0.0.1:1/db?sslmode=disable")
	write(t, keys, "- {key: "+secretKey+"-of-a-caller, tenant: t, manage: true}\n")
	write(t, faq, "- {question: 'What does it cost?', answer: Nothing.}\n")
	yaml := strings.NewReplacer(
		"baseURL: '"+e.model.URL+"'", "baseURL: '"+e.model.URL+"', apiKeyFile: '"+key+"'",
		"{memory: {documents: [DOCUMENTS]}}", "{http: {url: '"+e.store.URL+"', apiKeyFile: '"+key+"'}, timeout: 500ms}",
	).Replace(overOpenAI(e.model.URL, ", fallbacks: [{openAI: {model: f, baseURL: '"+e.model.URL+"'}}]"))
	e.running = runWith(t, yaml+
		"cache: {local: {}, semantic: {}, faq: {file: '"+faq+"'}, redis: {addresses: ['"+e.redis.Addr+"'], passwordFile: '"+key+"'}}\n"+
		"userContext: {postgres: {dsnFile: '"+dsn+"', query: 'SELECT $1'}}\n"+
		"access: {apiKeys: {file: '"+keys+"'}, requestsPerMinute: 100000}\n",
		func(o *Options) { o.Log = log })
	return e
}

func (e everything) ask(t *testing.T, method, path, body string, header ...string) response {
	t.Helper()
	return e.do(t, method, e.url+path, body, append([]string{"Authorization", "Bearer " + secretKey + "-of-a-caller"}, header...)...)
}

// use asks in every way there is, well and wrong.
func (e everything) use(t *testing.T, user, model string) {
	t.Helper()
	for i, question := range []string{secretQuestion, secretQuestion, "What does it cost?", secretQuestion + " too"} {
		e.ask(t, "POST", "/query", fmt.Sprintf(`{"query": %q, "user_id": %q, "stream": %v}`, question, user, i == 1))
		e.ask(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"model": %q, "user": %q, "messages": [{"role": "user", "content": %q}]}`, model, user, question))
	}
	e.ask(t, "POST", "/v1/retrieve", `{"query": "`+secretQuestion+`"}`)
	e.ask(t, "GET", "/v1/models/"+model, "")
	e.ask(t, "POST", "/query", `{"query": "`+secretQuestion+`", "top_k": 1000}`)
	e.ask(t, "POST", "/query", `{"query": "`+secretQuestion)
	e.ask(t, "POST", "/query", `{"query": "`+secretQuestion+`", "other": 1}`)
	e.ask(t, "POST", "/query", `{"query": "`+secretQuestion+`"}`, "Authorization", "Bearer "+secretKey+"-of-nobody")
	e.ask(t, "PUT", "/v1/faq", `[{"question": "`+secretQuestion+`", "answer": "`+secretQuestion+`"}]`)
	e.ask(t, "PUT", "/v1/faq", `[{"question": "`+secretQuestion+`"}]`)
	e.ask(t, "POST", "/v1/documents", `{"documents": [{"id": "`+secretQuestion+`", "text": "`+secretQuestion+`"}]}`)
	e.ask(t, "POST", "/v1/cache/invalidate", `{"question": "`+secretQuestion+`"}`)
}

// TestLogsHoldNoQuestionAndNoSecret uses the service in every way, with all parts
// well and failing, at the level that logs most.
func TestLogsHoldNoQuestionAndNoSecret(t *testing.T) {
	logged := captureLog(t, slog.LevelDebug)
	e := runEverything(t, slog.Default())
	e.use(t, "u", "m")
	echo := func(status int) http.HandlerFunc {
		body := fmt.Sprintf(`{"error": {"message": "no %[1]s for %[2]s", "code": "no %[1]s for %[2]s"}, "status": {"error": "%[2]s"}}`, secretQuestion, secretKey)
		return answers(status, "application/json", body, "X-Error", secretKey)
	}
	for _, fail := range []http.HandlerFunc{echo(401), echo(500), echo(200), says(secretKey + secretQuestion + "\r\n\r\n")} {
		e.model.fail(fail)
		e.use(t, "u", "m")
	}
	e.store.fail(echo(400))
	e.use(t, "u", "m")
	e.store.fail(says(secretKey + secretQuestion))
	e.redis.Kill()
	e.use(t, "u", "m")
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	// A caller's mistake: of the service's own failures so many a second are logged.
	e.ask(t, "POST", "/query", `{"query": ""}`, "X-Request-Id", "id-of-the-caller", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if err := e.stop(); err != nil {
		t.Error(err)
	}
	failures, named := 0, false
	for _, line := range logged.lines() {
		for _, never := range []string{secretQuestion, secretKey, "someone"} {
			if strings.Contains(line, never) {
				t.Errorf("%q is in the log: %s", never, line)
			}
		}
		var l struct{ Level, Msg, RequestID, TraceID string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("a line that is not JSON: %s", line)
		}
		if l.Msg != "not answered" {
			continue
		}
		failures++
		if l.RequestID == "" {
			t.Errorf("a failure without the request's id: %s", line)
		}
		named = named || l.RequestID == "id-of-the-caller" && l.TraceID == trace && l.Level == "DEBUG"
	}
	if failures < 20 || !named {
		t.Errorf("%d failures logged, the caller's ids among them: %v; the test shows nothing", failures, named)
	}
}

// TestMetricsAreClean has promtool judge all metrics there are, and callers try to
// make more of them.
func TestMetricsAreClean(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed; it is part of Debian's package prometheus, which make test installs")
	}
	e := runEverything(t, slog.New(slog.DiscardHandler))
	// The first round makes each series there is, the failures' too.
	e.use(t, "u", "m")
	e.model.fail(answers(429, "text/plain", "", "Retry-After", "60"))
	e.use(t, "u", "m")
	e.model.mend()
	waitFor(t, "the cache to be written", func() bool {
		return e.ask(t, "POST", "/query", `{"query": "x"}`).header.Get("X-Cache") == "HIT-L1"
	})
	metrics := func() string { return e.do(t, "GET", e.admin+"/metrics", "").body }
	before := seriesOf(metrics())
	for i := range 20 {
		e.use(t, fmt.Sprintf("user-%d", i), fmt.Sprintf("model-%d", i))
		e.ask(t, "GET", fmt.Sprintf("/nowhere/%d", i), "")
	}
	text := metrics()
	if added := slices.DeleteFunc(seriesOf(text), func(s string) bool { return slices.Contains(before, s) }); len(added) > 0 {
		t.Errorf("20 users and 20 names of models made %d series more:\n%s", len(added), strings.Join(added, "\n"))
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	for _, name := range []string{
		"rag_queries_total{", "rag_query_duration_seconds_count", "rag_stage_duration_seconds_count{", "rag_queries_in_flight", "rag_queries_per_second",
		"rag_cache_requests_total{", "rag_cache_write_dropped_total{", "rag_coalesced_total", "rag_shed_total{", "rag_upstream_requests_total{",
		"rag_tokens_total{", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// seriesOf are the series of an exposition, without their values. Those of the
// Go runtime come and go with the collector's work.
func seriesOf(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if series, _, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && strings.HasPrefix(series, "rag_") {
			all = append(all, series)
		}
	}
	return all
}

// TestDrainWritesWhatIsQueued ends the service right after its answers: all of
// them are in Redis for the replica that comes next.
func TestDrainWritesWhatIsQueued(t *testing.T) {
	redis, store := testredis.Start(t), newFlaky(t, answers(200, "application/json", found))
	yaml := overHTTP(store.URL) + "cache: {redis: {addresses: ['" + redis.Addr + "']}}\n"
	first := run(t, yaml)
	const n = 100
	waitFor(t, "Redis to be used", func() bool { return first.query(t, `{"query": "a"}`).header.Get("X-Cache") == "HIT-L2" })
	ask := questions("question", "")
	for i := range n {
		first.query(t, ask(i))
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := run(t, yaml)
	waitFor(t, "Redis to be used", func() bool { return second.query(t, `{"query": "a"}`).header.Get("X-Cache") == "HIT-L2" })
	for i := range n {
		if got := second.query(t, ask(i)).header.Get("X-Cache"); got != "HIT-L2" {
			t.Fatalf("question %d: X-Cache %s after a drain, want HIT-L2", i, got)
		}
	}
}
