package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ragops.dev/ragservice/runtime/query"
)

// FuzzDecodeQuery holds the decoding of requests to two things: it never panics,
// and what it refuses is the caller's fault.
func FuzzDecodeQuery(f *testing.F) {
	f.Add([]byte(`{"query": "a", "top_k": 3, "filter": {"type": "and", "filters": []}, "cache": {"mode": "bypass"}}`))
	f.Add([]byte(`{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "stop": null}`))
	f.Add([]byte(`{"messages": [{"role": "user", "content": }]}`))
	f.Add([]byte("{\"query\": \"\xff\"}"))
	s := &Server{limits: limits{body: 1 << 20, question: 32 << 10, topK: maxTopK}}
	f.Fuzz(func(t *testing.T, data []byte) {
		refused := func(err error) {
			if e := asStatusError(err); err != nil && (e.status < 400 || e.status > 499 || e.message == "") {
				t.Errorf("status %d %q", e.status, e.message)
			}
		}
		request := func() (*httptest.ResponseRecorder, *query.Request, error) {
			w := httptest.NewRecorder()
			req, _, err := s.decodeLegacy(w, httptest.NewRequest(http.MethodPost, "/query", bytes.NewReader(data)))
			return w, req, err
		}
		if _, req, err := request(); err != nil {
			refused(err)
		} else if strings.TrimSpace(req.Question) == "" {
			t.Error("an empty question was taken")
		}
		var c chatRequest
		if err := unmarshal(data, false, &c); err != nil {
			refused(err)
		} else if _, err := s.chatQuery(&c); err != nil {
			refused(err)
		}
	})
}

// FuzzSSE holds streams to what an SSE parser makes of them: each piece of text
// arrives as it was, whatever is in it.
func FuzzSSE(f *testing.F) {
	f.Add("plain", "text")
	f.Add("line\nbreak\r\n\r\n", "data: [DONE]\n\n")
	f.Add("\u2028", "\x00")
	f.Fuzz(func(t *testing.T, first, second string) {
		first, second = strings.ToValidUTF8(first, "?"), strings.ToValidUTF8(second, "?")
		w := httptest.NewRecorder()
		stream := newChatStream(w, "m", true)
		stream.start(query.Result{})
		for _, piece := range []string{first, second} {
			if err := stream.delta(piece); err != nil {
				t.Fatal(err)
			}
		}
		body, err := json.MarshalIndent(completion{Choices: []choice{{Message: &message{Content: first + second}}}}, "", "\n")
		if err == nil {
			err = stream.end(query.Result{Body: body})
		}
		if err != nil {
			t.Fatal(err)
		}
		events, done := chunks(t, w.Body.String())
		if text, finish, _ := streamedText(events); !done || text != first+second || finish != "stop" {
			t.Errorf("got %q, finish %q, done %v; want %q", text, finish, done, first+second)
		}
	})
}

// FuzzRebind holds the rewriting of a kept answer to a change of its question
// alone.
func FuzzRebind(f *testing.F) {
	f.Add("a \"quoted\" question", "another <one>", []byte(`{"query": "a", "answer": "b"}`))
	f.Fuzz(func(t *testing.T, old, fresh string, foreign []byte) {
		if _, err := legacyPlain.Rebind(foreign, fresh); err == nil && json.Valid(foreign) {
			if rebound, _ := legacyPlain.Rebind(foreign, fresh); !json.Valid(rebound) {
				t.Errorf("made %q of %q", rebound, foreign)
			}
		}
		body, err := legacyPlain.Render(&query.Answer{Question: old, Text: "answer"})
		if err != nil {
			t.Fatal(err)
		}
		want, err := legacyPlain.Render(&query.Answer{Question: fresh, Text: "answer"})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := legacyPlain.Rebind(body, fresh); err != nil || string(got) != string(want) {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	})
}
