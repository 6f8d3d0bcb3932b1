package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/telemetry"
	"ragops.dev/ragservice/runtime/upstream"
)

const (
	wholeAnswer = `{"model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "one two"}, "finish_reason": "stop"}]}`
	firstPiece  = `data: {"choices":[{"index":0,"delta":{"content":"one "}}]}` + "\n\n"
	lastPieces  = `data: {"choices":[{"index":0,"delta":{"content":"two"}}]}` + "\n\n" +
		`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
)

// newFlakyModel is a server of OpenAI's API that answers "one two".
func newFlakyModel(t testing.TB) *flaky {
	t.Helper()
	return newFlaky(t, byKind(answers(200, "application/json", wholeAnswer), answers(200, "text/event-stream", firstPiece+lastPieces)))
}

// byKind answers those who want a stream in another way.
func byKind(whole, stream http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && strings.Contains(string(body), `"stream":true`) {
			stream(w, r)
			return
		}
		whole(w, r)
	}
}

// overOpenAI is a configuration with that model and deadlines that the race detector keeps on a busy machine.
func overOpenAI(url, more string) string {
	return strings.NewReplacer(
		"{extractive: {}}", "{openAI: {model: m, baseURL: '"+url+"'}, timeout: "+upstreamTimeout.String()+more+"}",
		"server: {", fmt.Sprintf("server: {queryTimeout: %s, ", queryDeadline),
	).Replace(embedded)
}

// TestModelFails holds queries to the table of failures while the model fails.
func TestModelFails(t *testing.T) {
	const (
		unavailable = "502 model_unavailable"
		timeout     = "504 model_timeout"
	)
	half := wholeAnswer[:40]
	tests := []struct {
		name       string
		fail       http.HandlerFunc
		wantWhole  string
		wantStream string // of an answer that had begun, what the last event says
		wantRetry  string
		wantCalls  int64 // for one question; 0 takes any number
	}{
		{name: "hangs", fail: hangs, wantWhole: timeout, wantStream: timeout, wantCalls: 1},
		{
			name: "hangs in the middle", wantWhole: timeout, wantStream: "200 model_timeout", wantCalls: 1,
			fail: byKind(hangsAfter("application/json", half), hangsAfter("text/event-stream", firstPiece)),
		},
		{name: "500", fail: answers(500, "text/html", "<html>"), wantWhole: unavailable, wantStream: unavailable, wantCalls: 3},
		{
			name: "429 for half a minute", fail: answers(429, "application/json", `{"error": {"code": "rate_limit_exceeded"}}`, "Retry-After", "30"),
			wantWhole: unavailable, wantStream: unavailable, wantRetry: "30", wantCalls: 1,
		},
		{name: "401", fail: answers(401, "application/json", `{"error": {"code": "invalid_api_key"}}`), wantWhole: unavailable, wantStream: unavailable, wantCalls: 1},
		{
			name: "cut off", wantWhole: unavailable, wantStream: "200 model_unavailable",
			fail: byKind(cutOff("application/json", half), cutOff("text/event-stream", firstPiece)),
		},
		{
			name: "ends without an end", wantWhole: unavailable, wantStream: "200 model_unavailable",
			fail: byKind(answers(200, "application/json", strings.Replace(wholeAnswer, "stop", "", 1)), answers(200, "text/event-stream", firstPiece+"data: [DONE]\n\n")),
		},
		{
			name: "an error in the middle", wantWhole: unavailable, wantStream: "200 model_unavailable",
			fail: byKind(answers(503, "text/plain", "no"), answers(200, "text/event-stream", firstPiece+`data: {"error": {"code": "server_error"}}`+"\n\n")),
		},
		{
			name: "garbage", wantWhole: unavailable, wantStream: "200 model_unavailable",
			fail: byKind(answers(200, "application/json", "{{{"), answers(200, "text/event-stream", firstPiece+"data: {{{\n\n")),
		},
		{name: "another protocol", fail: says("SSH-2.0-OpenSSH_9.9\r\n"), wantWhole: unavailable, wantStream: unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // a breaker takes five seconds to let a probe through
			model := newFlakyModel(t)
			r := run(t, overOpenAI(model.URL, "")+localCache)
			works := func() bool {
				return strings.Contains(r.query(t, `{"query": "well?", "cache": {"mode": "bypass"}}`).body, `"answer":"one two"`)
			}
			waitFor(t, "an answer", works)

			model.fail(tt.fail)
			calls := model.calls.Load()
			whole := r.chat(t, hello+"}")
			if got := outcome(t, whole); got != tt.wantWhole || whole.header.Get("Retry-After") != tt.wantRetry {
				t.Errorf("whole: got %s, Retry-After %q; want %s, %q", got, whole.header.Get("Retry-After"), tt.wantWhole, tt.wantRetry)
			}
			if calls = model.calls.Load() - calls; tt.wantCalls > 0 && calls != tt.wantCalls {
				t.Errorf("the model was asked %d times for one question, want %d", calls, tt.wantCalls)
			}
			if got := outcome(t, r.chat(t, hello+`, "stream": true}`)); got != tt.wantStream {
				t.Errorf("stream: got %s, want %s", got, tt.wantStream)
			}
			for i, got := range r.crowd(t, 40, "/v1/chat/completions", func(i int) string {
				return fmt.Sprintf(`{"messages": [{"role": "user", "content": "question %d"}], "stream": %v}`, i, i%2 == 0)
			}) {
				want := []string{tt.wantWhole, unavailable} // with the breaker open
				if i%2 == 0 {
					want[0] = tt.wantStream
				}
				if o := outcome(t, got); o != want[0] && o != want[1] {
					t.Errorf("question %d: got %s, want one of %q", i, o, want)
				}
			}
			r.wantHealthyProcess(t)
			if tt.wantWhole == timeout {
				waitFor(t, "the connections that hang to be closed", func() bool { return model.connections.Load() == 0 })
			}

			model.mend()
			waitFor(t, "an answer again", works)
			for i := range 2 {
				if got := r.query(t, fmt.Sprintf(`{"query": "question %d"}`, i)); got.header.Get("X-Cache") != "MISS" || got.status != http.StatusOK {
					t.Errorf("afterwards: %d, X-Cache %s; want that nothing was kept", got.status, got.header.Get("X-Cache"))
				}
			}
		})
	}
}

// outcome is the status of a chat with the code of its error. A stream that began
// must end either in [DONE] or in an error.
func outcome(t *testing.T, got response) string {
	t.Helper()
	body := got.body
	if got.header.Get("Content-Type") == "text/event-stream" {
		events, done := chunks(t, body)
		last := events[len(events)-1]
		if failure, ok := last["error"].(map[string]any); ok && !done {
			return fmt.Sprint(got.status, " ", failure["code"])
		}
		return fmt.Sprint(got.status, " done ", done)
	}
	failure, _ := fields(t, body)["error"].(map[string]any)
	return fmt.Sprint(got.status, " ", failure["code"])
}

// TestModelAsksToWait is the 429 that a query can sit out.
func TestModelAsksToWait(t *testing.T) {
	model := newFlakyModel(t)
	var refused atomic.Bool
	model.fail(func(w http.ResponseWriter, r *http.Request) {
		if refused.CompareAndSwap(false, true) {
			answers(429, "text/plain", "", "Retry-After", "0.2")(w, r)
			return
		}
		model.well(w, r)
	})
	r := run(t, overOpenAI(model.URL, ""))
	start := time.Now()
	if got := r.query(t, `{"query": "a"}`); got.status != http.StatusOK || model.calls.Load() != 2 {
		t.Errorf("got %d %s after %d calls, want an answer to the second", got.status, got.body, model.calls.Load())
	}
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("asked again after %s, want the 200 ms that the model asked for", took)
	}
}

// TestFallbackAnswers has the embedded model stand in.
func TestFallbackAnswers(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{"hangs": hangs, "500": answers(500, "text/plain", ""), "429": answers(429, "text/plain", "", "Retry-After", "30")} {
		t.Run(name, func(t *testing.T) {
			model := newFlakyModel(t)
			r := run(t, overOpenAI(model.URL, ", fallbacks: [{extractive: {}}]"))
			model.fail(fail)
			for _, got := range r.crowd(t, 20, "/query", questions("What if Redis is gone?", `, "stream": true`)) {
				if got.status != http.StatusOK || !strings.Contains(got.body, "without the cache") || !strings.HasSuffix(got.body, "data: [DONE]\n\n") {
					t.Errorf("got %d %s, want the passage quoted", got.status, got.body)
				}
			}
		})
	}
}

// TestCallersLeave has many callers go away, in the middle of a stream and before
// an answer. The model must be left alone then.
func TestCallersLeave(t *testing.T) {
	model := newFlakyModel(t)
	model.fail(byKind(hangs, hangsAfter("text/event-stream", firstPiece)))
	// Nothing but the callers ends these queries.
	r := run(t, strings.NewReplacer("timeout: "+upstreamTimeout.String(), "timeout: 1m", "queryTimeout: "+queryDeadline.String(), "queryTimeout: 1m").Replace(overOpenAI(model.URL, "")))
	ctx, leave := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	var streaming atomic.Int64
	const n = 40
	for i := range n {
		callers.Go(func() {
			body := fmt.Sprintf(`{"query": "question %d", "stream": %v}`, i, i%2 == 0)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/query", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := r.client.Do(req)
			if err != nil {
				return // left before the answer
			}
			defer resp.Body.Close()
			lines := bufio.NewReader(resp.Body)
			if line, err := lines.ReadString('\n'); err != nil || line != "data: {\"delta\":\"one \"}\n" {
				t.Errorf("got %q, %v", line, err)
			}
			streaming.Add(1)
			_, _ = io.Copy(io.Discard, lines) // until the caller leaves
		})
	}
	waitFor(t, "all questions to reach the model", func() bool { return model.calls.Load() == n && streaming.Load() == n/2 })
	leave()
	callers.Wait()
	waitFor(t, "the model to be left alone", func() bool { return model.connections.Load() == 0 })
	r.wantHealthyProcess(t)
	if got := r.do(t, http.MethodGet, r.admin+"/metrics", "").body; !strings.Contains(got, fmt.Sprintf("\nrag_queries_total{outcome=\"canceled\"} %d\n", n)) {
		t.Error("the metrics do not count the callers that left")
	}
}

// TestMemoryReturnsAfterFailures has a crowd of long questions run into a model
// that hangs in the middle of its streams. Kept, they would be 8 MB several times
// over.
func TestMemoryReturnsAfterFailures(t *testing.T) {
	model := newFlakyModel(t)
	r := run(t, overOpenAI(model.URL, "")+localCache)
	heap := func() int64 {
		r.client.CloseIdleConnections()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	long := strings.Repeat("a long question ", 1900)
	ask := func(i int) string { return fmt.Sprintf(`{"query": "%d %s", "stream": true}`, i, long) }
	r.crowd(t, 10, "/query", ask) // pools and buffers are there
	before, goroutines := heap(), runtime.NumGoroutine()
	model.fail(hangsAfter("text/event-stream", firstPiece))
	for round := range 2 {
		r.crowd(t, 128, "/query", func(i int) string { return ask(round*128 + i) })
	}
	var bytes int64
	var left int
	defer func() {
		if t.Failed() {
			t.Logf("%d bytes and %d goroutines, before %d and %d", bytes, left, before, goroutines)
		}
	}()
	waitFor(t, "memory and goroutines to return", func() bool {
		bytes, left = heap(), runtime.NumGoroutine()
		return bytes < before+4<<20 && left <= goroutines+10
	})
}

// TestNothingLeftToAskWith is a query that finds no port or file for its call.
func TestNothingLeftToAskWith(t *testing.T) {
	for _, part := range []query.Part{query.PartEmbedding, query.PartVectorStore, query.PartModel} {
		e := asStatusError(&query.Error{Part: part, Err: &upstream.Error{Upstream: "openai", Kind: upstream.KindExhausted}})
		if e.status != http.StatusServiceUnavailable || e.code != codeOverloaded || e.retryAfter != time.Second || e.outcome() != telemetry.OutcomeShed {
			t.Errorf("%s: got %+v, want what a query gets that is shed", part, e)
		}
	}
}
