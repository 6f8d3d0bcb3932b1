package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestBodyAfterItsEnd shows what Read returns once a body has ended: the same every time.
func TestBodyAfterItsEnd(t *testing.T) {
	tests := []struct {
		name, answer string
		// closed is whether the body is closed instead of read.
		closed bool
		want   error
	}{
		{name: "read", answer: ok("an answer"), want: io.EOF},
		{name: "chunks", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nan\r\n0\r\n\r\n", want: io.EOF},
		{name: "no body", answer: "HTTP/1.1 204 No Content\r\n\r\n", want: io.EOF},
		{name: "cut off", answer: "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nan answer", want: io.ErrUnexpectedEOF},
		{name: "closed", answer: ok("an answer"), closed: true, want: errClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, _, err := receive(r); err == nil {
					fmt.Fprint(c, tt.answer)
				}
			})
			c := newClient(t)
			body := begin(t, c, newRequest(t, http.MethodGet, server.url, nil))
			if !tt.closed {
				_, _ = io.Copy(io.Discard, body)
			}
			for i := range 4 {
				if i == 2 || tt.closed {
					if err := body.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				}
				if n, err := body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, tt.want) {
					t.Errorf("read %d bytes and %v, want %v", n, err, tt.want)
				}
			}
		})
	}
}

// TestCloseEndsRead closes a body from another goroutine while a Read of it waits.
func TestCloseEndsRead(t *testing.T) {
	const said = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nan "
	closeWhile := func(t *testing.T, transport *Transport, url string, reading func()) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := begin(t, transport, request)
		ended := make(chan error)
		begun := make(chan struct{})
		go func() {
			if _, err := io.ReadFull(body, make([]byte, 3)); err != nil {
				t.Error(err)
			}
			close(begun)
			_, err := body.Read(make([]byte, 3))
			_, again := body.Read(make([]byte, 3))
			if !errors.Is(again, err) {
				t.Errorf("got %v and then %v, want the same", err, again)
			}
			ended <- err
		}()
		<-begun
		reading()
		if err := body.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-ended; err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Read ended with %v, want an error", err)
		}
	}
	serveOne := func(c net.Conn, r *bufio.Reader) {
		if _, _, err := receive(r); err != nil {
			t.Error(err)
		}
		fmt.Fprint(c, said)
		_, _ = io.Copy(io.Discard, r)
	}

	t.Run("a socket", func(t *testing.T) {
		server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) { serveOne(c, r) })
		closeWhile(t, newClient(t).Transport, server.url, func() {})
		await(t, server.gone, "the end of the connection")
	})
	t.Run("a pipe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			transport := &Transport{IdleTimeout: time.Hour, Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() {
					defer far.Close()
					serveOne(far, bufio.NewReader(far))
				}()
				return near, nil
			}}
			closeWhile(t, transport, "http://model/", synctest.Wait) // until Read waits
		})
	})
}

// TestAnsweredBeforeItWasRead has servers answer before they have read a large body. There
// is an answer or an error, and no wait for what does not come.
func TestAnsweredBeforeItWasRead(t *testing.T) {
	const tooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large"
	large := bytes.Repeat([]byte("large..."), 1<<20)
	byHand := func(handle func(c *net.TCPConn)) func(t *testing.T) string {
		return func(t *testing.T) string {
			return serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
				if _, err := http.ReadRequest(r); err == nil {
					fmt.Fprint(c, tooLarge)
					handle(c)
				}
			}).url
		}
	}
	tests := []struct {
		name   string
		server func(t *testing.T) string
		// answers is whether the answer has to arrive.
		answers bool
		times   int
	}{
		{name: "and closes", times: 10, server: byHand(func(*net.TCPConn) {})},
		{name: "and resets", times: 10, server: byHand(func(c *net.TCPConn) { _ = c.SetLinger(0) })},
		{name: "and reads on", answers: true, times: 3, server: byHand(func(c *net.TCPConn) {
			_ = c.CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		})},
		{name: "net/http, which takes half a second to close", times: 1, server: func(t *testing.T) string {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			}))
			t.Cleanup(server.Close)
			return server.URL
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, c := tt.server(t), newClient(t)
			answers := 0
			for range tt.times {
				request := newRequest(t, http.MethodPost, url, bytes.NewReader(large))
				response, err := c.RoundTrip(request)
				if request.Context().Err() != nil {
					t.Fatal("neither an answer nor an error until the deadline")
				}
				if err != nil {
					if tt.answers {
						t.Errorf("got %v, want the answer", err)
					}
					continue
				}
				answers++
				if response.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("got status %d", response.StatusCode)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			t.Logf("%d of %d requests were answered", answers, tt.times)
		})
	}
}

// TestAnsweredAndStuck has a server that neither reads on nor closes after its answer: the
// request ends with its context, if not before.
func TestAnsweredAndStuck(t *testing.T) {
	answered, ended := make(chan struct{}), make(chan struct{})
	server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			t.Error(err)
		}
		fmt.Fprint(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		close(answered)
		<-ended
	})
	defer close(ended)
	request := newRequest(t, http.MethodPost, server.url, io.LimitReader(zeros, 64<<20))
	request.ContentLength = 64 << 20
	ctx, cancel := context.WithCancelCause(request.Context())
	go func() {
		<-answered
		cancel(errStopped)
	}()
	request = request.WithContext(ctx)
	got, err := send(newClient(t), request)
	if !errors.Is(err, errStopped) && (err != nil || got.Code != http.StatusRequestEntityTooLarge) {
		t.Errorf("got %v, want the cause or the answer", err)
	}
}
