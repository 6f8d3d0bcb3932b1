package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/upstream"
)

// chunks reads a stream to its end and returns the decoded events and whether the
// stream ended as it should.
func chunks(t testing.TB, body string) (events []map[string]any, done bool) {
	t.Helper()
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		if !ok || strings.Contains(data, "\n") {
			t.Fatalf("not an event of one line: %q", event)
		}
		if done {
			t.Fatalf("an event after the last: %q", event)
		}
		if data == "[DONE]" {
			done = true
			continue
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			t.Fatalf("%v in %q", err, data)
		}
		events = append(events, v)
	}
	return events, done
}

// streamedText puts a stream of chunks together.
func streamedText(events []map[string]any) (text, finish string, citations int) {
	for _, e := range events {
		for _, c := range e["choices"].([]any) {
			choice := c.(map[string]any)
			if content, ok := choice["delta"].(map[string]any)["content"].(string); ok {
				text += content
			}
			if reason, ok := choice["finish_reason"].(string); ok {
				finish = reason
			}
		}
		if list, ok := e["citations"].([]any); ok {
			citations = len(list)
		}
	}
	return text, finish, citations
}

const hello = `{"model": "any", "messages": [{"role": "user", "content": "say hello"}]`

func TestChatCompletion(t *testing.T) {
	r := serveParts(t, parts{cache: inMemory()})
	first := r.chat(t, hello+"}")
	got := fields(t, first.body)
	delete(got, "id")
	delete(got, "created")
	want := map[string]any{
		"object": "chat.completion", "model": "m",
		"choices": []any{map[string]any{
			"index": 0.0, "finish_reason": "stop", "logprobs": nil,
			"message": map[string]any{"role": "assistant", "content": "hello world", "refusal": nil},
		}},
		"usage": map[string]any{"prompt_tokens": 3.0, "completion_tokens": 2.0, "total_tokens": 5.0},
		"citations": []any{
			map[string]any{"index": 1.0, "id": "1", "text": "first passage", "source": "a.md", "score": 0.9},
			map[string]any{"index": 2.0, "id": "2", "text": "second passage", "source": "b.md", "score": 0.5},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("completion (-want +got):\n%s", diff)
	}
	if second := r.chat(t, hello+"}"); second.body != first.body || second.header.Get("X-Cache") != "HIT-L1" {
		t.Errorf("second answer from %s: %s", second.header.Get("X-Cache"), second.body)
	}
}

func TestChatStream(t *testing.T) {
	r := serveParts(t, parts{cache: inMemory()})
	for _, wantCache := range []string{"MISS", "HIT-L1"} {
		t.Run(wantCache, func(t *testing.T) {
			got := r.chat(t, hello+`, "stream": true, "stream_options": {"include_usage": true}}`)
			if got.header.Get("X-Cache") != wantCache || got.header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("headers: %v", got.header)
			}
			events, done := chunks(t, got.body)
			text, finish, citations := streamedText(events)
			if !done || text != "hello world" || finish != "stop" || citations != 2 {
				t.Errorf("text %q, finish %q, %d citations, done %v", text, finish, citations, done)
			}
			first, last := events[0], events[len(events)-1]
			if role := first["choices"].([]any)[0].(map[string]any)["delta"].(map[string]any)["role"]; role != "assistant" {
				t.Errorf("the first chunk has role %v", role)
			}
			if usage, ok := last["usage"].(map[string]any); !ok || usage["total_tokens"] != 5.0 || len(last["choices"].([]any)) != 0 {
				t.Errorf("the last chunk is %v, want the usage alone", last)
			}
			for _, e := range events {
				if e["object"] != "chat.completion.chunk" || e["id"] != first["id"] {
					t.Errorf("chunk %v does not belong to %v", e, first["id"])
				}
			}
		})
	}
}

func TestChatHandsTheConversationOn(t *testing.T) {
	var got generate.Request
	r := serveParts(t, parts{model: func(_ context.Context, r generate.Request, _ func(string) error) (generate.Completion, error) {
		got = r
		return generate.Completion{Text: "a", FinishReason: generate.FinishStop}, nil
	}})
	resp := r.chat(t, `{"messages": [
		{"role": "developer", "content": "rhyme"},
		{"role": "user", "content": [{"type": "text", "text": "one"}]},
		{"role": "assistant", "content": "two"},
		{"role": "user", "content": "three"}
	], "temperature": 0.5, "max_tokens": 7, "top_p": 1, "seed": 4}`)
	if resp.status != http.StatusOK {
		t.Fatalf("%d %s", resp.status, resp.body)
	}
	got.Passages = nil
	want := generate.Request{
		Question: "three", History: []generate.Message{{Role: "user", Content: "one"}, {Role: "assistant", Content: "two"}},
		Temperature: new(0.5), MaxOutputTokens: 7,
	}
	if !strings.HasSuffix(got.SystemPrompt, "\n\nrhyme") || !strings.HasPrefix(got.SystemPrompt, "You are") {
		t.Errorf("system prompt: got %q, want the configured one and then the caller's", got.SystemPrompt)
	}
	got.SystemPrompt = ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestWrongChats(t *testing.T) {
	r := serveParts(t, parts{})
	tests := []struct {
		name, body, wantParam, wantMessage string
	}{
		{name: "no messages", body: `{}`, wantParam: "messages", wantMessage: "last message must be the question"},
		{name: "no question", body: `{"messages": [{"role": "assistant", "content": "a"}]}`, wantParam: "messages", wantMessage: "last message"},
		{name: "empty question", body: `{"messages": [{"role": "user", "content": ""}]}`, wantParam: "messages", wantMessage: "empty"},
		{name: "a role of another world", body: `{"messages": [{"role": "tool", "content": "a"}, {"role": "user", "content": "a"}]}`, wantParam: "messages", wantMessage: `Message 1 has role "tool"`},
		{name: "a picture", body: `{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}`, wantParam: "messages", wantMessage: "only text"},
		{name: "a number for a message", body: `{"messages": [{"role": "user", "content": 3}]}`, wantParam: "messages", wantMessage: "a string or a list"},
		{name: "two choices", body: hello + `, "n": 2}`, wantParam: "n", wantMessage: "must be 1"},
		{name: "tools", body: hello + `, "tools": [{}]}`, wantParam: "tools", wantMessage: "not supported"},
		{name: "a JSON answer", body: hello + `, "response_format": {"type": "json_object"}}`, wantParam: "response_format", wantMessage: "text"},
		{name: "temperature", body: hello + `, "temperature": 3}`, wantParam: "temperature", wantMessage: "between 0 and 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := r.chat(t, tt.body)
			failure, ok := fields(t, got.body)["error"].(map[string]any)
			if got.status != http.StatusBadRequest || !ok {
				t.Fatalf("%d %s", got.status, got.body)
			}
			message, _ := failure["message"].(string)
			if failure["type"] != "invalid_request_error" || failure["code"] != "invalid_request" || failure["param"] != tt.wantParam || !strings.Contains(message, tt.wantMessage) {
				t.Errorf("got %v, want param %s and a message with %q", failure, tt.wantParam, tt.wantMessage)
			}
		})
	}
}

func TestFailuresTowardsTheCaller(t *testing.T) {
	fails := func(err error) scripted {
		return func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
			return generate.Completion{}, err
		}
	}
	secret := errors.New("dial 10.1.2.3 with key sk-secret")
	tests := []struct {
		name       string
		parts      parts
		wantStatus int
		wantCode   string
		wantRetry  string
	}{
		{
			name: "vector store away", parts: parts{store: shelf{&upstream.Error{Upstream: "qdrant", Kind: upstream.KindUnavailable, Err: secret}}},
			wantStatus: 503, wantCode: "vector_store_unavailable", wantRetry: "1",
		},
		{
			name: "vector store busy", parts: parts{store: shelf{&upstream.Error{Upstream: "qdrant", Kind: upstream.KindRateLimited, RetryAfter: 6500e6, Err: secret}}},
			wantStatus: 503, wantCode: "vector_store_unavailable", wantRetry: "7",
		},
		{
			name: "model away", parts: parts{model: fails(&upstream.Error{Upstream: "openai", Kind: upstream.KindUnavailable, Err: secret})},
			wantStatus: 502, wantCode: "model_unavailable",
		},
		{
			name: "model refuses the key", parts: parts{model: fails(&upstream.Error{Upstream: "openai", Kind: upstream.KindRejected, Status: 401, Err: secret})},
			wantStatus: 502, wantCode: "model_unavailable",
		},
		{
			name: "model too slow", parts: parts{model: fails(&upstream.Error{Upstream: "openai", Kind: upstream.KindTimeout, Err: secret})},
			wantStatus: 504, wantCode: "model_timeout",
		},
		{name: "a bug", parts: parts{model: func(context.Context, generate.Request, func(string) error) (generate.Completion, error) {
			panic(secret)
		}}, wantStatus: 500, wantCode: "internal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := serveParts(t, tt.parts).chat(t, hello+"}")
			failure, _ := fields(t, got.body)["error"].(map[string]any)
			if got.status != tt.wantStatus || failure["code"] != tt.wantCode || failure["type"] != "server_error" {
				t.Errorf("got %d %v, want %d %s", got.status, failure, tt.wantStatus, tt.wantCode)
			}
			if retry := got.header.Get("Retry-After"); retry != tt.wantRetry {
				t.Errorf("Retry-After: got %q, want %q", retry, tt.wantRetry)
			}
			if strings.Contains(got.body, "secret") || strings.Contains(got.body, "10.1.2.3") {
				t.Errorf("the caller is told what only the log should be: %s", got.body)
			}
		})
	}
}

func TestStreamThatBreaksOffSaysSo(t *testing.T) {
	r := serveParts(t, parts{cache: inMemory(), model: func(_ context.Context, _ generate.Request, emit func(string) error) (generate.Completion, error) {
		if err := emit("half an "); err != nil {
			return generate.Completion{}, err
		}
		return generate.Completion{}, &upstream.Error{Upstream: "openai", Kind: upstream.KindInvalidResponse, Partial: true}
	}})
	for range 2 { // the second time nothing was kept
		got := r.chat(t, hello+`, "stream": true}`)
		events, done := chunks(t, got.body)
		last := events[len(events)-1]
		if failure, ok := last["error"].(map[string]any); done || !ok || failure["code"] != "model_unavailable" || got.header.Get("X-Cache") != "MISS" {
			t.Errorf("done %v, last event %v", done, last)
		}
	}
}
