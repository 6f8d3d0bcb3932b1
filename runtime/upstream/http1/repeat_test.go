package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSentAgain has the server close a connection that was used before, after it has read
// a request. Only one that cannot do anything twice is sent again, and only once.
func TestSentAgain(t *testing.T) {
	tests := []struct {
		name, method, body string
		// once is whether the body cannot be had again.
		once bool
		// said is what the server says before it closes, or resets, the first connection, or
		// all of them.
		said       string
		reset, all bool
		want       error
		// wantSeen is what the server sees, over connections in the order of their numbers.
		wantSeen []string
	}{
		{name: "GET", method: "GET", wantSeen: []string{"1 GET ", "2 GET "}},
		{name: "GET, reset", method: "GET", reset: true, wantSeen: []string{"1 GET ", "2 GET "}},
		{name: "HEAD", method: "HEAD", wantSeen: []string{"1 HEAD ", "2 HEAD "}},
		{name: "OPTIONS", method: "OPTIONS", wantSeen: []string{"1 OPTIONS ", "2 OPTIONS "}},
		{name: "GET with a body", method: "GET", body: "{}", wantSeen: []string{"1 GET {}", "2 GET {}"}},
		{name: "GET with a body that is had once", method: "GET", body: "{}", once: true, want: errNoAnswer, wantSeen: []string{"1 GET {}"}},
		{name: "GET, twice", method: "GET", all: true, want: errNoAnswer, wantSeen: []string{"1 GET ", "2 GET "}},
		{name: "GET with the beginning of an answer", method: "GET", said: "HTTP/1.1 200 OK\r\n", want: io.ErrUnexpectedEOF, wantSeen: []string{"1 GET "}},
		{name: "GET with an announcement", method: "GET", said: "HTTP/1.1 100 Continue\r\n\r\n", want: io.ErrUnexpectedEOF, wantSeen: []string{"1 GET "}},
		{name: "POST", method: "POST", body: "a question", want: errNoAnswer, wantSeen: []string{"1 POST a question"}},
		{name: "POST without a body", method: "POST", want: errNoAnswer, wantSeen: []string{"1 POST "}},
		{name: "POST with a body that is had once", method: "POST", body: "a question", once: true, want: errNoAnswer, wantSeen: []string{"1 POST a question"}},
		{name: "PUT", method: "PUT", body: "a document", want: errNoAnswer, wantSeen: []string{"1 PUT a document"}},
		{name: "DELETE", method: "DELETE", want: errNoAnswer, wantSeen: []string{"1 DELETE "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan string, 10)
			server := serve(t, func(number int, c *net.TCPConn, r *bufio.Reader) {
				for first := number == 1; ; first = false {
					request, body, err := receive(r)
					if err != nil {
						return
					}
					if first {
						fmt.Fprint(c, ok("the first answer"))
						continue
					}
					seen <- fmt.Sprintf("%d %s %s", number, request.Method, body)
					if number == 1 || tt.all {
						fmt.Fprint(c, tt.said)
						if tt.reset {
							_ = c.SetLinger(0)
						}
						return
					}
					answer := ok("an answer")
					if request.Method == http.MethodHead {
						answer = ok("")
					}
					fmt.Fprint(c, answer)
				}
			})
			c := newClient(t)
			ask(t, c, http.MethodGet, server.url, "")

			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader(tt.body)
			}
			request := newRequest(t, tt.method, server.url, body)
			if tt.once {
				request.GetBody = nil
			}
			got, err := send(c, request)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want == nil && tt.method != http.MethodHead && got.Body != "an answer" {
				t.Errorf("got %q, want the answer over the second connection", got.Body)
			}
			var all []string
			for range len(seen) {
				all = append(all, <-seen)
			}
			if diff := cmp.Diff(tt.wantSeen, all); diff != "" {
				t.Errorf("requests that the server saw (-want +got):\n%s", diff)
			}
			server.wantAccepted(t, int64(len(all)))
		})
	}
}

// TestRepeatedResponse shows that the response to a request that was sent again names the
// caller's request, as net/http's does.
func TestRepeatedResponse(t *testing.T) {
	server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		if _, _, err := receive(r); err != nil {
			return
		}
		fmt.Fprint(c, ok("an answer"))
		_, _, _ = receive(r)
	})
	for name, transport := range map[string]http.RoundTripper{"http1": newClient(t), "net/http": netHTTP(t)} {
		for i := range 2 {
			request := newRequest(t, http.MethodGet, server.url, nil)
			response, err := transport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Error(err)
			}
			response.Body.Close()
			if response.Request != request {
				t.Errorf("%s: response %d does not name the request", name, i)
			}
		}
	}
}

// TestFirstUseIsNotRepeated shows that a request that a new connection did not carry fails,
// whatever its method.
func TestFirstUseIsNotRepeated(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reset: %t", method, reset), func(t *testing.T) {
				server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
					_, _, _ = receive(r)
					if reset {
						_ = c.SetLinger(0)
					}
				})
				if _, err := send(newClient(t), newRequest(t, method, server.url, nil)); err == nil {
					t.Error("got no error")
				}
				server.wantAccepted(t, 1)
			})
		}
	}
}

// TestNothingWritten shows that a request of which nothing could be written over a
// connection that was used before is sent again whatever its method, with its whole body,
// unless that cannot be had again.
func TestNothingWritten(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name      string
		change    func(*http.Request)
		want      string
		wantErr   error
		wantDials int
	}{
		{name: "POST", want: "2 POST a question", wantDials: 2},
		{name: "a body that is had once", change: func(r *http.Request) { r.GetBody = nil }, wantErr: io.ErrClosedPipe, wantDials: 1},
		{name: "no body", change: func(r *http.Request) { r.Body, r.GetBody, r.ContentLength = nil, nil, 0 }, want: "2 POST ", wantDials: 2},
		{name: "NoBody", change: func(r *http.Request) { r.Body, r.GetBody, r.ContentLength = http.NoBody, nil, 0 }, want: "2 POST ", wantDials: 2},
		{
			name: "a body that fails to be had again", wantErr: broken, wantDials: 1,
			change: func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, broken } },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var serving sync.WaitGroup
			defer serving.Wait()
			dials := 0
			hungUp := make(chan struct{})
			transport := &Transport{IdleTimeout: patience, Dial: func(context.Context, string, string) (net.Conn, error) {
				dials++
				number := dials
				near, far := net.Pipe()
				serving.Go(func() {
					defer far.Close()
					r := bufio.NewReader(far)
					request, body, err := receive(r)
					if err != nil {
						t.Error(err)
						return
					}
					fmt.Fprint(far, ok(fmt.Sprintf("%d %s %s", number, request.Method, body)))
					if number == 1 {
						far.Close()
						close(hungUp)
					}
				})
				return near, nil
			}}
			defer transport.CloseIdleConnections()
			ask(t, transport, http.MethodGet, "http://model", "")
			await(t, hungUp, "the end of the first connection")

			request := newRequest(t, http.MethodPost, "http://model", strings.NewReader("a question"))
			if tt.change != nil {
				tt.change(request)
			}
			got, err := send(transport, request)
			if got.Body != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("got %q and %v, want %q and %v", got.Body, err, tt.want, tt.wantErr)
			}
			if dials != tt.wantDials {
				t.Errorf("dialed %d times, want %d", dials, tt.wantDials)
			}
		})
	}
}

// TestOwnFaultIsNotRepeated shows that a request whose own body fails is not sent again:
// the connection is not to blame.
func TestOwnFaultIsNotRepeated(t *testing.T) {
	server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, err := receive(r); err != nil {
				return
			}
			fmt.Fprint(c, ok("an answer"))
		}
	})
	broken := errors.New("broken")
	c := newClient(t)
	ask(t, c, http.MethodGet, server.url, "")
	had := 0
	request := newRequest(t, http.MethodGet, server.url, nil)
	request.ContentLength = 8
	request.GetBody = func() (io.ReadCloser, error) {
		had++
		return io.NopCloser(read(func([]byte) (int, error) { return 0, broken })), nil
	}
	request.Body, _ = request.GetBody()
	if _, err := send(c, request); err == nil {
		t.Error("got no error")
	}
	if had != 1 {
		t.Errorf("the body was had %d times, want once", had)
	}
	if got := len(c.connections()); got != 1 {
		t.Errorf("dialed %d times, want once", got)
	}
}
