package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errStopped = errors.New("the caller has stopped")

// TestCancelledBefore shows that a request whose context has ended already is not sent, be
// it over a new connection or over one that is idle, and that its body is closed.
func TestCancelledBefore(t *testing.T) {
	var posts atomic.Int64
	server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			request, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if request.Method == http.MethodPost {
				posts.Add(1)
			}
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return
			}
			fmt.Fprint(c, ok("an answer"))
		}
	})
	c := newClient(t)
	cancelled := func() {
		t.Helper()
		body := &closing{Reader: strings.NewReader("a question")}
		request := newRequest(t, http.MethodPost, server.url, body)
		request.ContentLength = 10
		ctx, cancel := context.WithCancelCause(request.Context())
		cancel(errStopped)
		if _, err := send(c, request.WithContext(ctx)); !errors.Is(err, errStopped) {
			t.Errorf("got %v, want the cause", err)
		}
		if body.closed.Load() == 0 {
			t.Error("the body is not closed")
		}
	}
	cancelled()
	if got := len(c.connections()); got != 0 {
		t.Errorf("dialed %d times, want not once", got)
	}
	for range 50 { // what goes wrong here does so by chance
		ask(t, c, http.MethodGet, server.url, "")
		cancelled()
	}
	c.CloseIdleConnections()
	for range c.connections() {
		await(t, server.gone, "the end of all connections")
	}
	if got := posts.Load(); got != 0 {
		t.Errorf("the server saw %d requests that were cancelled before they were sent, want none", got)
	}
}

// TestCancelledWhileDialing shows that the context ends the wait for a connection.
func TestCancelledWhileDialing(t *testing.T) {
	dialing := make(chan struct{})
	transport := &Transport{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	body := &closing{Reader: strings.NewReader("a question")}
	request := newRequest(t, http.MethodPost, "http://model", body)
	ctx, cancel := context.WithCancelCause(request.Context())
	go func() {
		<-dialing
		cancel(errStopped)
	}()
	if _, err := send(transport, request.WithContext(ctx)); !errors.Is(err, errStopped) {
		t.Errorf("got %v, want the cause", err)
	}
	if body.closed.Load() == 0 {
		t.Error("the body is not closed")
	}
}

// zeros is a body without an end.
var zeros = read(func(p []byte) (int, error) {
	clear(p)
	return len(p), nil
})

// TestCancelled ends a request's context at every point of its exchange with the server.
// Its cause is the error, every time, the server sees the connection end, and the next
// request comes over a new one.
func TestCancelled(t *testing.T) {
	tests := []struct {
		name string
		// said is what the server answers before the context ends.
		said string
		// used is whether the connection was used before.
		used bool
		// length is that of the request's body, which the server does not read meanwhile.
		length int64
		// responds is whether there is a response, of whose body wantBody is read first.
		responds bool
		wantBody string
	}{
		{name: "while waiting"},
		{name: "while waiting, over a connection that was used", used: true},
		{name: "while sending", length: 64 << 20},
		{name: "while sending, over a connection that was used", length: 64 << 20, used: true},
		{name: "in the status line", said: "HTTP/1.1 20"},
		{name: "after an announcement", said: "HTTP/1.1 100 Continue\r\n\r\n"},
		{name: "before the body", said: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", responds: true},
		{name: "in the body", said: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nan ", responds: true, wantBody: "an "},
		{name: "in a chunk", said: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nan ", responds: true, wantBody: "an "},
		{name: "in a body until the end", said: "HTTP/1.1 200 OK\r\n\r\nan ", responds: true, wantBody: "an "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			waiting, ended, noticed := make(chan struct{}), make(chan struct{}), make(chan struct{})
			server := serve(t, func(number int, c *net.TCPConn, r *bufio.Reader) {
				for {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					if request.URL.Path == "/cancelled" {
						break
					}
					fmt.Fprint(c, ok(strconv.Itoa(number)))
				}
				fmt.Fprint(c, tt.said)
				close(waiting)
				<-ended
				_, _ = io.Copy(io.Discard, r)
				close(noticed)
			})
			c := newClient(t)
			if tt.used {
				ask(t, c, http.MethodGet, server.url, "")
			}

			request := newRequest(t, http.MethodPost, server.url+"/cancelled", nil)
			if tt.length > 0 {
				request.Body, request.ContentLength = io.NopCloser(io.LimitReader(zeros, tt.length)), tt.length
			}
			ctx, cancel := context.WithCancelCause(request.Context())
			defer cancel(nil)
			stop := func() {
				<-waiting
				cancel(errStopped)
			}
			if !tt.responds {
				go stop()
			}
			response, err := c.RoundTrip(request.WithContext(ctx))
			if tt.responds {
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				begin := make([]byte, len(tt.wantBody))
				if _, err := io.ReadFull(response.Body, begin); err != nil || string(begin) != tt.wantBody {
					t.Fatalf("got %q and %v, want %q", begin, err, tt.wantBody)
				}
				go stop()
				for range 2 {
					if more, err := io.ReadAll(response.Body); !errors.Is(err, errStopped) || len(more) > 0 {
						t.Errorf("got %q and %v, want the cause", more, err)
					}
				}
				response.Body.Close()
				_, err = response.Body.Read(make([]byte, 1))
			}
			if !errors.Is(err, errStopped) {
				t.Errorf("got %v, want the cause", err)
			}
			close(ended)
			await(t, noticed, "the server to see the connection end")
			if got := ask(t, c, http.MethodGet, server.url, ""); got != "2" {
				t.Errorf("the next answer came over connection %s, want a new one", got)
			}
		})
	}
}

// TestDeadline shows that a deadline ends the wait for an answer, and for the rest of it,
// when it is due, and with its cause.
func TestDeadline(t *testing.T) {
	tests := []struct{ name, said, wantBody string }{
		{name: "while waiting"},
		{name: "in the headers", said: "HTTP/1.1 200 OK\r\n"},
		{name: "in the body", said: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nan ", wantBody: "an "},
	}
	for _, tt := range tests {
		for _, cause := range []error{nil, errStopped} {
			t.Run(fmt.Sprintf("%s, cause: %v", tt.name, cause), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					noticed := make(chan struct{})
					transport := &Transport{IdleTimeout: time.Hour, Dial: func(context.Context, string, string) (net.Conn, error) {
						near, far := net.Pipe()
						go func() {
							defer far.Close()
							r := bufio.NewReader(far)
							if _, _, err := receive(r); err != nil {
								t.Error(err)
							}
							fmt.Fprint(far, tt.said)
							_, _ = io.Copy(io.Discard, r)
							close(noticed)
						}()
						return near, nil
					}}
					start := time.Now()
					ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, cause)
					defer cancel()
					request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://model/", strings.NewReader("a question"))
					if err != nil {
						t.Fatal(err)
					}
					want := cause
					if want == nil {
						want = context.DeadlineExceeded
					}
					if got, err := send(transport, request); !errors.Is(err, want) || got.Body != tt.wantBody {
						t.Errorf("got %q and %v, want %q and %v", got.Body, err, tt.wantBody, want)
					}
					<-noticed
					if got := time.Since(start); got != 30*time.Second {
						t.Errorf("the end came after %s, want 30s", got)
					}
				})
			})
		}
	}
}
