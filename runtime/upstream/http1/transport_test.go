package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestTakes shows which requests a Transport is for.
func TestTakes(t *testing.T) {
	tests := []struct {
		name, url string
		want      bool
	}{
		{name: "http", url: "http://model.models.svc:8080/v1", want: true},
		{name: "http without a port", url: "http://model", want: true},
		{name: "IPv4", url: "http://10.0.0.1:80", want: true},
		{name: "IPv6", url: "http://[::1]:8080/", want: true},
		{name: "IPv6 with a zone", url: "http://[fe80::1%25eth0]:8080/", want: true},
		{name: "a path that is not ASCII", url: "http://model/größe", want: true},
		{name: "https", url: "https://model"},
		{name: "another scheme", url: "ftp://model"},
		{name: "no scheme", url: "//model/"},
		{name: "a host that is not ASCII", url: "http://größe.example/"},
		{name: "no host", url: "http:///path"},
		{name: "opaque", url: "http:model"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parsed, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := Takes(&http.Request{URL: parsed}); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// TestAddress shows that the same address is dialed as by net/http, that its error is
// returned, and that the body is closed then.
func TestAddress(t *testing.T) {
	refused := errors.New("refused")
	tests := []struct{ url, want string }{
		{url: "http://model", want: "model:80"},
		{url: "http://model:", want: "model:80"},
		{url: "http://model:8080/v1", want: "model:8080"},
		{url: "http://user:password@model/", want: "model:80"},
		{url: "http://[::1]", want: "[::1]:80"},
		{url: "http://[::1]:8080", want: "[::1]:8080"},
		{url: "http://[fe80::1%25eth0]/", want: "[fe80::1%eth0]:80"},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			var got string
			dial := func(_ context.Context, network, address string) (net.Conn, error) {
				got = network + " " + address
				return nil, refused
			}
			for name, transport := range map[string]http.RoundTripper{"http1": &Transport{Dial: dial}, "net/http": &http.Transport{DialContext: dial}} {
				body := &closing{Reader: strings.NewReader("a question")}
				_, err := send(transport, newRequest(t, http.MethodPost, tt.url, body))
				if !errors.Is(err, refused) {
					t.Errorf("%s: got %v, want the error of Dial", name, err)
				}
				if got != "tcp "+tt.want {
					t.Errorf("%s dials %s, want tcp %s", name, got, tt.want)
				}
				if body.closed.Load() == 0 {
					t.Errorf("%s: the body is not closed", name)
				}
			}
		})
	}
}

// received is what a server sees of a request.
type received struct {
	Method, URI, Proto, Host, Body string
	Header, Trailer                http.Header
	ContentLength                  int64
	TransferEncoding               []string
	Close                          bool
}

// TestSentAsByNetHTTP shows that a server sees every kind of request just as net/http
// would send it.
func TestSentAsByNetHTTP(t *testing.T) {
	seen := make(chan received, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		seen <- received{
			Method: r.Method, URI: r.RequestURI, Proto: r.Proto, Host: r.Host, Body: string(body), Header: r.Header, Trailer: r.Trailer,
			ContentLength: r.ContentLength, TransferEncoding: r.TransferEncoding, Close: r.Close,
		}
	}))
	t.Cleanup(server.Close)

	onlyReader := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) } // of which net/http knows no length
	tests := []struct {
		name, method, path string
		body               func() io.Reader
		change             func(*http.Request)
		want               received
	}{
		{name: "GET", method: http.MethodGet, path: "/", want: received{Method: "GET", URI: "/"}},
		{name: "no method", path: "/", change: func(r *http.Request) { r.Method = "" }, want: received{Method: "GET", URI: "/"}},
		{name: "no path", method: http.MethodGet, want: received{Method: "GET", URI: "/"}},
		{name: "a query, escapes and a fragment", method: http.MethodGet, path: "/a%2Fb?q=a+b&q=%26#part", want: received{Method: "GET", URI: "/a%2Fb?q=a+b&q=%26"}},
		{name: "a path that is not ASCII", method: http.MethodGet, path: "/größe", want: received{Method: "GET", URI: "/gr%C3%B6%C3%9Fe"}},
		{name: "an opaque URL", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.URL.Opaque = "//model/a%2fb" }, want: received{Method: "GET", URI: "http://model/a%2fb", Host: "model"}},
		{name: "HEAD", method: http.MethodHead, path: "/", want: received{Method: "HEAD", URI: "/"}},
		{name: "DELETE", method: http.MethodDelete, path: "/", want: received{Method: "DELETE", URI: "/"}},
		{name: "another method", method: "PURGE", path: "/", want: received{Method: "PURGE", URI: "/"}},
		{
			name: "POST", method: http.MethodPost, path: "/v1", body: func() io.Reader { return strings.NewReader("a question") },
			want: received{Method: "POST", URI: "/v1", Body: "a question", ContentLength: 10},
		},
		{name: "POST without a body", method: http.MethodPost, path: "/", want: received{Method: "POST", URI: "/"}},
		{name: "POST of an empty body", method: http.MethodPost, path: "/", body: func() io.Reader { return http.NoBody }, want: received{Method: "POST", URI: "/"}},
		{
			name: "POST of a large body", method: http.MethodPost, path: "/", body: func() io.Reader { return bytes.NewReader(bytes.Repeat([]byte("large"), 40_000)) },
			want: received{Method: "POST", URI: "/", Body: strings.Repeat("large", 40_000), ContentLength: 200_000},
		},
		{
			name: "PUT of a body of unknown length", method: http.MethodPut, path: "/", body: func() io.Reader { return onlyReader("a document") },
			want: received{Method: "PUT", URI: "/", Body: "a document", ContentLength: -1, TransferEncoding: []string{"chunked"}},
		},
		{
			name: "a length that is told", method: http.MethodPut, path: "/", body: func() io.Reader { return onlyReader("a document") },
			change: func(r *http.Request) { r.ContentLength = 10 },
			want:   received{Method: "PUT", URI: "/", Body: "a document", ContentLength: 10},
		},
		{
			name: "GET with a body", method: http.MethodGet, path: "/_search", body: func() io.Reader { return strings.NewReader("{}") },
			want: received{Method: "GET", URI: "/_search", Body: "{}", ContentLength: 2},
		},
		{
			name: "GET with a body of unknown length", method: http.MethodGet, path: "/", body: func() io.Reader { return onlyReader("{}") },
			want: received{Method: "GET", URI: "/", Body: "{}", ContentLength: -1, TransferEncoding: []string{"chunked"}},
		},
		{
			name: "GET with an empty body of unknown length", method: http.MethodGet, path: "/", body: func() io.Reader { return onlyReader("") },
			want: received{Method: "GET", URI: "/"},
		},
		{
			name: "trailers", method: http.MethodPost, path: "/", body: func() io.Reader { return onlyReader("a document") },
			change: func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"1234"}, "X-Rows": {"5"}} },
			want:   received{Method: "POST", URI: "/", Body: "a document", ContentLength: -1, TransferEncoding: []string{"chunked"}, Trailer: http.Header{"X-Sum": {"1234"}, "X-Rows": {"5"}}},
		},
		{
			name: "headers", method: http.MethodGet, path: "/",
			change: func(r *http.Request) {
				r.Header = http.Header{"Accept": {"a", "b"}, "x-lower": {"1"}, "X-Empty": {""}, "X-Space": {" a\tb "}, "X-Latin": {"gr\xf6\xdfe"}}
			},
			want: received{Method: "GET", URI: "/", Header: http.Header{"Accept": {"a", "b"}, "X-Lower": {"1"}, "X-Empty": {""}, "X-Space": {"a\tb"}, "X-Latin": {"gr\xf6\xdfe"}}},
		},
		{
			name: "headers that are not for the caller to set", method: http.MethodPost, path: "/", body: func() io.Reader { return strings.NewReader("a question") },
			change: func(r *http.Request) {
				r.Header = http.Header{"Host": {"other"}, "Content-Length": {"3"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X"}}
			},
			want: received{Method: "POST", URI: "/", Body: "a question", ContentLength: 10},
		},
		{
			name: "the caller's Accept-Encoding", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Header.Set("Accept-Encoding", "br") },
			want: received{Method: "GET", URI: "/", Header: http.Header{"Accept-Encoding": {"br"}}},
		},
		{
			name: "the caller's User-Agent", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Header.Set("User-Agent", "ragservice") },
			want: received{Method: "GET", URI: "/", Header: http.Header{"User-Agent": {"ragservice"}}},
		},
		{name: "no User-Agent", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Header.Set("User-Agent", "") }, want: received{Method: "GET", URI: "/", Header: http.Header{}}},
		{name: "another Host", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Host = "model.example" }, want: received{Method: "GET", URI: "/", Host: "model.example"}},
		{name: "a Host that is not ASCII", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Host = "größe.example" }, want: received{Method: "GET", URI: "/", Host: "xn--gre-6ka8i.example"}},
		{
			name: "a request that closes", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Close = true },
			want: received{Method: "GET", URI: "/", Close: true, Header: http.Header{"Connection": {"close"}}},
		},
		{
			name: "a header that closes", method: http.MethodGet, path: "/", change: func(r *http.Request) { r.Header.Set("Connection", "close") },
			want: received{Method: "GET", URI: "/", Close: true, Header: http.Header{"Connection": {"close"}}},
		},
		{
			name: "a body that is sent after 100", method: http.MethodPost, path: "/", body: func() io.Reader { return strings.NewReader("a question") },
			change: func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
			want:   received{Method: "POST", URI: "/", Body: "a question", ContentLength: 10, Header: http.Header{"Expect": {"100-continue"}}},
		},
	}
	c, other := newClient(t), netHTTP(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sent := func(transport http.RoundTripper) received {
				var body io.Reader
				if tt.body != nil {
					body = tt.body()
				}
				request := newRequest(t, tt.method, server.URL+tt.path, body)
				if tt.change != nil {
					tt.change(request)
				}
				if _, err := send(transport, request); err != nil {
					t.Fatal(err)
				}
				return await(t, seen, "the request")
			}
			got := sent(c)
			if diff := cmp.Diff(sent(other), got); diff != "" {
				t.Errorf("(-net/http +http1):\n%s", diff)
			}
			// What net/http sends is not left to net/http alone.
			tt.want.Proto = "HTTP/1.1"
			if tt.want.Host == "" {
				tt.want.Host = strings.TrimPrefix(server.URL, "http://")
			}
			delete(got.Header, "Content-Length")
			if tt.want.Header["User-Agent"] == nil {
				delete(got.Header, "User-Agent")
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefused shows that requests that net/http does not send as they are, such as with
// names and values that would make other headers of them, are refused here too, that
// their body is closed, and that an error does not tell a value, which may be secret.
func TestRefused(t *testing.T) {
	const secret = "sk-not-for-anybody"
	tests := []struct {
		name   string
		change func(*http.Request)
	}{
		{name: "a header's name", change: func(r *http.Request) { r.Header["X Y"] = []string{secret} }},
		{name: "no header's name", change: func(r *http.Request) { r.Header[""] = []string{secret} }},
		{name: "a line break in a header's name", change: func(r *http.Request) { r.Header["X:\r\nY"] = []string{secret} }},
		{name: "a line break in a header's value", change: func(r *http.Request) { r.Header["X-Key"] = []string{secret + "\r\nY: 1"} }},
		{name: "a line break in a second value", change: func(r *http.Request) { r.Header["X-Key"] = []string{"good", secret + "\n"} }},
		{name: "a zero in a header's value", change: func(r *http.Request) { r.Header["X-Key"] = []string{secret + "\x00"} }},
		{name: "a control character in the URL", change: func(r *http.Request) { r.URL.Opaque = "/a\r\nb" }},
		{name: "a length without a body", change: func(r *http.Request) { r.Body, r.ContentLength = nil, 5 }},
		{name: "a method", change: func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX:" }},
		{name: "a trailer's name", change: func(r *http.Request) { r.ContentLength, r.Trailer = -1, http.Header{"X\r\nY: 1": {secret}} }},
		{name: "a trailer's value", change: func(r *http.Request) { r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": {secret + "\r\nY: 1"}} }},
		{name: "a trailer that is none", change: func(r *http.Request) { r.ContentLength, r.Trailer = -1, http.Header{"Content-Length": {"1"}} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, transport := range map[string]http.RoundTripper{"http1": newClient(t), "net/http": netHTTP(t)} {
				server := answering(t, ok("an answer"))
				body := &closing{Reader: strings.NewReader("a question")}
				request := newRequest(t, http.MethodPost, server.url, body)
				request.ContentLength = 10
				tt.change(request)
				_, err := send(transport, request)
				if err == nil {
					t.Fatalf("%s sends the request", name)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s tells the value: %v", name, err)
				}
				if request.Body != nil && body.closed.Load() == 0 {
					t.Errorf("%s does not close the body", name)
				}
			}
		})
	}
}

// TestErrorOfRequestBody shows that the caller gets the error of a request's body, in the
// words of it (net/http wraps what it writes with a type that has no Unwrap), and that the
// connection is closed, in the middle of the request as it is.
func TestErrorOfRequestBody(t *testing.T) {
	broken := errors.New("broken")
	server := serve(t, func(_ int, _ *net.TCPConn, r *bufio.Reader) {
		if _, _, err := receive(r); err == nil {
			t.Error("the server got a whole request")
		}
	})
	for name, transport := range map[string]http.RoundTripper{"http1": newClient(t), "net/http": netHTTP(t)} {
		body := &closing{Reader: io.MultiReader(strings.NewReader("half"), read(func([]byte) (int, error) { return 0, broken }))}
		request := newRequest(t, http.MethodPost, server.url, body)
		request.ContentLength = 8
		_, err := send(transport, request)
		if err == nil || !strings.Contains(err.Error(), broken.Error()) {
			t.Errorf("%s: got %v, want the body's own error", name, err)
		}
		if body.closed.Load() == 0 {
			t.Errorf("%s: the body is not closed", name)
		}
		await(t, server.gone, "the end of the connection")
	}
}
