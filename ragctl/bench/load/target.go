package load

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// API is the HTTP contract that a target speaks.
type API string

// The contracts.
const (
	// APIQuery is POST /query {"query"}, the contract of the old service.
	APIQuery API = "query"
	// APIChat is POST /v1/chat/completions, the contract of OpenAI.
	APIChat API = "chat"
)

// Target is a server and how to ask it.
type Target struct {
	// Name of the target in results.
	Name string
	URL  *url.URL
	API  API
	// Stream asks APIChat for server-sent events and measures the first token.
	Stream bool
	// Model is sent with APIChat.
	Model string
	// Fields are further fields of the request body, such as user_id. The
	// question's own cannot be among them.
	Fields map[string]json.RawMessage
	// Header is sent with every question; its values are never shown.
	Header http.Header
	// TLS verifies an https target; nil takes the system's authorities.
	TLS *tls.Config
}

// ParseTarget reads a target from [NAME=]URL. A URL without a path gets the path
// of its API; one with a path is taken as it is, and tells the API where api is
// empty.
func ParseTarget(text string, api API) (Target, error) {
	name, raw := "", text
	if before, after, found := strings.Cut(text, "="); found && !strings.ContainsAny(before, ":/?") {
		name, raw = before, after
	}
	u, err := url.Parse(raw)
	if err != nil {
		if parse, ok := errors.AsType[*url.Error](err); ok {
			err = parse.Err
		}
		return Target{}, fmt.Errorf("%q is no URL: %w", raw, err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Target{}, fmt.Errorf("%q must start with http:// or https://, such as http://localhost:8080", raw)
	case u.Hostname() == "":
		return Target{}, fmt.Errorf("%q names no host", raw)
	case u.User != nil:
		return Target{}, fmt.Errorf("the URL of %s holds a user or password: send it as a header instead", u.Hostname())
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return Target{}, fmt.Errorf("%q has the port %s, and a port is between 1 and 65535", raw, port)
		}
	}
	if api == "" {
		api = APIQuery
		if strings.HasSuffix(u.Path, "/chat/completions") {
			api = APIChat
		}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = map[API]string{APIQuery: "/query", APIChat: "/v1/chat/completions"}[api]
	}
	u.Fragment = ""
	if name == "" {
		name = u.Host
	}
	t := Target{Name: name, URL: u, API: api}
	return t, nil
}

// Validate says what is wrong with the target.
func (t *Target) Validate() error {
	if t.API != APIQuery && t.API != APIChat {
		return fmt.Errorf("the API is %q, and must be %s or %s", t.API, APIQuery, APIChat)
	}
	if t.Stream && t.API != APIChat {
		return fmt.Errorf("only the API %s streams; %s answers in one piece", APIChat, APIQuery)
	}
	for name, value := range t.Fields {
		if slices.Contains([]string{"query", "messages", "stream", "model"}, name) {
			return fmt.Errorf("the field %s is the generator's own", name)
		}
		if !json.Valid(value) {
			return fmt.Errorf("the value of the field %s is no JSON", name)
		}
	}
	for key, values := range t.Header {
		if !httpguts.ValidHeaderFieldName(key) {
			return fmt.Errorf("%q is no header name", key)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("the value of the header %s holds characters that no header may hold", key)
			}
		}
	}
	return nil
}

// address is host:port to connect to.
func (t *Target) address() string {
	port := t.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[t.URL.Scheme]
	}
	return net.JoinHostPort(t.URL.Hostname(), port)
}

// template is what is the same in every request to a target: the head up to the
// length of the body, and the body around the question.
type template struct {
	head, before, after []byte
}

func (t *Target) template() template {
	var head strings.Builder
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ragctl-bench\r\nContent-Type: application/json\r\n",
		t.URL.RequestURI(), t.URL.Host)
	accept := "application/json"
	if t.Stream {
		accept = "text/event-stream"
	}
	fmt.Fprintf(&head, "Accept: %s\r\n", accept)
	skip := map[string]bool{"Host": true, "Content-Length": true, "Content-Type": true, "Transfer-Encoding": true, "Connection": true, "Accept": true, "User-Agent": true}
	// A strings.Builder takes all that is written to it.
	_ = t.Header.WriteSubset(&head, skip)
	head.WriteString("Content-Length: ")

	var more []byte
	for _, name := range slices.Sorted(maps.Keys(t.Fields)) {
		more = fmt.Appendf(more, ",%s:%s", encode(name), t.Fields[name])
	}
	more = append(more, '}')
	out := template{head: []byte(head.String()), before: []byte(`{"query":`), after: more}
	if t.API == APIChat {
		model := t.Model
		if model == "" {
			model = "default"
		}
		out.before = fmt.Appendf(nil, `{"model":%s,"stream":%t,"messages":[{"role":"user","content":`, encode(model), t.Stream)
		out.after = append([]byte("}]"), more...)
	}
	return out
}

// request appends the whole request for a question, a JSON string.
func (t *template) request(dst, question []byte) []byte {
	dst = append(dst, t.head...)
	dst = strconv.AppendInt(dst, int64(len(t.before)+len(question)+len(t.after)), 10)
	dst = append(dst, "\r\n\r\n"...)
	dst = append(dst, t.before...)
	dst = append(dst, question...)
	return append(dst, t.after...)
}
