package http1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestResponses shows that every kind of response is read as net/http reads it, and after
// which of them the connection carries the next request.
func TestResponses(t *testing.T) {
	tests := []struct {
		name, method, answer string
		// closes is whether the server closes the connection after the answer.
		closes   bool
		want     int
		wantBody string
		// wantUsed is whether the second request comes over the same connection.
		wantUsed bool
	}{
		{name: "a length", method: "GET", answer: ok("an answer"), want: 200, wantBody: "an answer", wantUsed: true},
		{name: "a length, to POST", method: "POST", answer: ok("an answer"), want: 200, wantBody: "an answer", wantUsed: true},
		{name: "an error", method: "POST", answer: "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy", want: 503, wantBody: "busy", wantUsed: true},
		{name: "larger than the buffer", method: "GET", answer: ok(strings.Repeat("large", readBuffer)), want: 200, wantBody: strings.Repeat("large", readBuffer), wantUsed: true},
		{name: "an empty body", method: "GET", answer: ok(""), want: 200, wantUsed: true},
		{name: "to HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", want: 200, wantUsed: true},
		{name: "to HEAD, chunked", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want: 200, wantUsed: true},
		{name: "204", method: "POST", answer: "HTTP/1.1 204 No Content\r\n\r\n", want: 204, wantUsed: true},
		{name: "304 with the length of what is not sent", method: "GET", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n", want: 304, wantUsed: true},
		{name: "chunks", method: "GET", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nan \r\n6;x=y\r\nanswer\r\n0\r\n\r\n", want: 200, wantBody: "an answer", wantUsed: true},
		{
			name: "trailers", method: "GET",
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n9\r\nan answer\r\n0\r\nX-Sum: 1234\r\nX-More: 1\r\n\r\n", want: 200, wantBody: "an answer", wantUsed: true,
		},
		{name: "no chunk", method: "GET", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: 200, wantUsed: true},
		{name: "compressed, which nobody asked for", method: "GET", answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", want: 200, wantBody: "\x1f\x8b\x08", wantUsed: true},
		{name: "lines without a carriage return", method: "GET", answer: "HTTP/1.1 200 OK\nContent-Length: 9\n\nan answer", want: 200, wantBody: "an answer", wantUsed: true},
		{name: "1.0", method: "GET", answer: "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nan answer", want: 200, wantBody: "an answer"},
		{name: "1.0 that stays", method: "GET", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 9\r\n\r\nan answer", want: 200, wantBody: "an answer", wantUsed: true},
		{name: "1.0 until the end", method: "GET", answer: "HTTP/1.0 200 OK\r\n\r\nan answer", closes: true, want: 200, wantBody: "an answer"},
		{name: "until the end", method: "GET", answer: "HTTP/1.1 200 OK\r\n\r\nan answer", closes: true, want: 200, wantBody: "an answer"},
		{name: "until the end, and says so", method: "GET", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nan answer", closes: true, want: 200, wantBody: "an answer"},
		{name: "Connection: close with a length", method: "GET", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nan answer", want: 200, wantBody: "an answer"},
		{name: "Connection: close without a body", method: "GET", answer: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", want: 204},
		{name: "Connection: close with chunks", method: "GET", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", want: 200},
		{name: "more than the length", method: "GET", answer: ok("an answer") + "HTTP/1.1 200", want: 200, wantBody: "an answer"},
		{name: "more than chunks", method: "GET", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n0\r\n\r\n", want: 200},
		{name: "more than nothing", method: "GET", answer: "HTTP/1.1 204 No Content\r\n\r\nmore", want: 204},
		{name: "a body to HEAD", method: "HEAD", answer: ok("an answer"), want: 200},
		{name: "announced by 100", method: "POST", answer: "HTTP/1.1 100 Continue\r\n\r\n" + ok("an answer"), want: 200, wantBody: "an answer", wantUsed: true},
		{
			name: "announced by 100 and 103", method: "GET", want: 200, wantBody: "an answer", wantUsed: true,
			answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nContent-Length: 9\r\n\r\n" + ok("an answer"),
		},
		{name: "four announcements", method: "GET", answer: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 4) + ok("an answer"), want: 200, wantBody: "an answer", wantUsed: true},
		{name: "five announcements", method: "GET", answer: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInformational) + ok("an answer"), want: 200, wantBody: "an answer", wantUsed: true},
		{name: "a status below 100", method: "GET", answer: "HTTP/1.1 099 Odd\r\nContent-Length: 9\r\n\r\nan answer", closes: true, want: 99, wantBody: "an answer"},
		{name: "many headers", method: "GET", answer: "HTTP/1.1 204 No Content\r\n" + strings.Repeat("X-Long: "+strings.Repeat("x", 991)+"\r\n", 1000) + "\r\n", want: 204, wantUsed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				for {
					if _, _, err := receive(r); err != nil {
						return
					}
					fmt.Fprint(c, tt.answer)
					if tt.closes {
						return
					}
				}
			})
			c := newClient(t)
			var got [2]answer
			for i := range got {
				var body io.Reader
				if tt.method == http.MethodPost {
					body = strings.NewReader("a question")
				}
				var err error
				if got[i], err = send(c, newRequest(t, tt.method, server.url, body)); err != nil {
					t.Fatal(err)
				}
			}
			if got[0].Code != tt.want || got[0].Body != tt.wantBody {
				t.Errorf("got %d with %q, want %d with %q", got[0].Code, got[0].Body, tt.want, tt.wantBody)
			}
			if diff := cmp.Diff(got[0], got[1]); diff != "" {
				t.Errorf("the second answer differs from the first (-first +second):\n%s", diff)
			}
			want := int64(2)
			if tt.wantUsed {
				want = 1
			}
			server.wantAccepted(t, want)

			other := netHTTP(t)
			other.DisableKeepAlives = true // else it logs what comes after the response
			same, err := send(other, newRequest(t, tt.method, server.url, nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(same, got[0]); diff != "" {
				t.Errorf("(-net/http +http1):\n%s", diff)
			}
		})
	}
}

// TestCutOff shows that a response that ends before it should is never taken for a whole
// one.
func TestCutOff(t *testing.T) {
	tests := []struct {
		name, answer, wantBody string
		// want is the error of RoundTrip where there is no response, and else that of its
		// body; nil is any, for net/http takes the part of a line for a wrong one.
		want error
	}{
		{name: "no answer", want: errNoAnswer},
		{name: "in the status line", answer: "HTTP/1.1 20"},
		{name: "in the headers", answer: "HTTP/1.1 200 OK\r\nContent-Le"},
		{name: "before the end of the headers", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", want: io.ErrUnexpectedEOF},
		{name: "after an announcement", answer: "HTTP/1.1 100 Continue\r\n\r\n", want: io.ErrUnexpectedEOF},
		{name: "before the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", want: io.ErrUnexpectedEOF},
		{name: "in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nan", wantBody: "an", want: io.ErrUnexpectedEOF},
		{name: "before the chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want: io.ErrUnexpectedEOF},
		{name: "in a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nan", wantBody: "an", want: io.ErrUnexpectedEOF},
		{name: "between chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nan\r\n", wantBody: "an", want: io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, _, err := receive(r); err != nil {
					return
				}
				fmt.Fprint(c, tt.answer)
			})
			got, err := send(newClient(t), newRequest(t, http.MethodGet, server.url, nil))
			if err == nil || (tt.want != nil && !errors.Is(err, tt.want)) || got.Body != tt.wantBody {
				t.Errorf("got %q and %v, want %q and %v", got.Body, err, tt.wantBody, tt.want)
			}
			server.wantAccepted(t, 1)
		})
	}
}

// TestNoHTTP shows that what is no response of HTTP/1.1 is an error, and that the
// connection is closed then.
func TestNoHTTP(t *testing.T) {
	tests := []struct{ name, answer, want string }{
		{name: "another protocol", answer: "-ERR unknown command 'GET'\r\n", want: "malformed"},
		{name: "no words", answer: "\x00\x01\x02\r\n\r\n", want: "malformed"},
		{name: "an empty line", answer: "\r\n" + ok("an answer"), want: "malformed"},
		{name: "no status", answer: "HTTP/1.1\r\n\r\n", want: "malformed"},
		{name: "a status of words", answer: "HTTP/1.1 two OK\r\n\r\n", want: "malformed"},
		{name: "a header without a colon", answer: "HTTP/1.1 200 OK\r\nContent-Length 9\r\n\r\nan answer", want: "malformed"},
		{name: "a length of words", answer: "HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\nan answer", want: "Content-Length"},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\nan answer", want: "Content-Length"},
		{name: "an encoding that nobody knows", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nan answer", want: "transfer encoding"},
		{name: "a chunk without a length", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nan answer\r\n", want: "chunk"},
		{name: "another protocol that was not asked for", answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", want: "switched to another protocol"},
		{name: "too many announcements", answer: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInformational+1) + ok("an answer"), want: "more than 5"},
		{name: "announcements without an end", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 1000), want: "more than 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := answering(t, tt.answer)
			_, err := send(newClient(t), newRequest(t, http.MethodGet, server.url, nil))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			await(t, server.gone, "the end of the connection")
			server.wantAccepted(t, 1)
		})
	}
}

// TestEndlessHeaders shows that a server that does not come to the end of its headers gets
// an end, and that they do not take memory without one.
func TestEndlessHeaders(t *testing.T) {
	tests := []struct{ name, start, more string }{
		{name: "a status line", start: "HTTP/1.1 200 ", more: strings.Repeat("x", 4096)},
		{name: "one header", start: "HTTP/1.1 200 OK\r\nX-Long: ", more: strings.Repeat("x", 4096)},
		{name: "many headers", start: "HTTP/1.1 200 OK\r\n", more: strings.Repeat("X: "+strings.Repeat("x", 507)+"\r\n", 8)},
		{name: "one header in many lines", start: "HTTP/1.1 200 OK\r\nX: ", more: strings.Repeat(strings.Repeat("x", 509)+"\r\n ", 8)},
		{name: "headers of an announcement", start: "HTTP/1.1 103 Early Hints\r\nX: ", more: strings.Repeat("x", 4096)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, _, err := receive(r); err != nil {
					return
				}
				_, err := fmt.Fprint(c, tt.start)
				for err == nil {
					_, err = io.WriteString(c, tt.more)
				}
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := send(newClient(t), newRequest(t, http.MethodGet, server.url, nil))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "longer than 1 MiB") {
				t.Errorf("got %v, want that the headers are too long", err)
			}
			await(t, server.gone, "the end of the connection")
			// Buffers that grow by doubling, and copies of them.
			if got := after.TotalAlloc - before.TotalAlloc; got > 16*maxHeaderBytes {
				t.Errorf("%d MiB were allocated", got>>20)
			}
		})
	}
}
