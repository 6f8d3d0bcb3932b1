package load

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	tests := []struct {
		name     string
		text     string
		api      API
		wantName string
		wantURL  string
		wantAPI  API
		wantErr  string
	}{
		{name: "no path", text: "http://localhost:8080", wantName: "localhost:8080", wantURL: "http://localhost:8080/query", wantAPI: APIQuery},
		{name: "no path, chat", text: "http://localhost/", api: APIChat, wantName: "localhost", wantURL: "http://localhost/v1/chat/completions", wantAPI: APIChat},
		{name: "a path that says chat", text: "https://h/proxy/v1/chat/completions", wantName: "h", wantURL: "https://h/proxy/v1/chat/completions", wantAPI: APIChat},
		{name: "named", text: "flask=http://h/ask?x=1", wantName: "flask", wantURL: "http://h/ask?x=1", wantAPI: APIQuery},
		{name: "an equals sign in the query is no name", text: "http://h/ask?x=1", wantName: "h", wantURL: "http://h/ask?x=1", wantAPI: APIQuery},
		{name: "no scheme", text: "localhost:8080", wantErr: "must start with http:// or https://"},
		{name: "another scheme", text: "ftp://h", wantErr: "must start with http:// or https://"},
		{name: "no host", text: "http://:8080", wantErr: "names no host"},
		{name: "control characters", text: "http://h\n", wantErr: "is no URL"},
		{name: "a password", text: "http://user:secret@h", wantErr: "the URL of h holds a user or password"},
		{name: "port out of range", text: "http://h:99999", wantErr: "a port is between 1 and 65535"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTarget(tt.text, tt.api)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) || strings.Contains(err.Error(), "secret") {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != tt.wantName || got.URL.String() != tt.wantURL || got.API != tt.wantAPI {
				t.Errorf("got %s %s %s, want %s %s %s", got.Name, got.URL, got.API, tt.wantName, tt.wantURL, tt.wantAPI)
			}
		})
	}
}

func TestTargetValidate(t *testing.T) {
	tests := []struct {
		name   string
		target Target
		want   string
	}{
		{"streamed query", Target{API: APIQuery, Stream: true}, "only the API chat streams"},
		{"strange API", Target{API: "soap"}, `the API is "soap"`},
		{"a second question", Target{API: APIQuery, Fields: map[string]json.RawMessage{"query": json.RawMessage(`"x"`)}}, "the field query is the generator's own"},
		{"a field that is no JSON", Target{API: APIQuery, Fields: map[string]json.RawMessage{"user_id": json.RawMessage(`x`)}}, "the value of the field user_id is no JSON"},
		{"smuggled header", Target{API: APIQuery, Header: http.Header{"X": {"a\r\nHost: evil"}}}, "the value of the header X holds"},
		{"bad header name", Target{API: APIQuery, Header: http.Header{"a b": {"x"}}}, `"a b" is no header name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.target.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "evil") {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
}

func TestTemplateIsARequestThatServersRead(t *testing.T) {
	target, err := ParseTarget("http://h/v1/chat/completions", "")
	if err != nil {
		t.Fatal(err)
	}
	target.Stream, target.Model = true, `m"x`
	target.Fields = map[string]json.RawMessage{"user_id": json.RawMessage(`"7"`), "top_k": json.RawMessage(`3`)}
	target.Header = http.Header{"Authorization": {"Bearer k"}, "Content-Length": {"9"}}
	tmpl := target.template()
	got := string(tmpl.request(nil, encode("What?")))
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if want := `{"model":"m\"x","stream":true,"messages":[{"role":"user","content":"What?"}],"top_k":3,"user_id":"7"}`; body != want {
		t.Errorf("the body is %s, want %s", body, want)
	}
	for _, want := range []string{"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\n", "Authorization: Bearer k\r\n", "Accept: text/event-stream\r\n", "Content-Length: 101"} {
		if !strings.Contains(head, want) {
			t.Errorf("the head lacks %q:\n%s", want, head)
		}
	}
}
