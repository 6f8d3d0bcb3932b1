package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbered answers every request with the number of its connection.
func numbered(t testing.TB) *rawServer {
	t.Helper()
	return serve(t, func(number int, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, err := receive(r); err != nil {
				return
			}
			fmt.Fprint(c, ok(strconv.Itoa(number)))
		}
	})
}

// TestUsedAgain shows what the caller can do to a connection: it carries the next request
// only where the response was read to its end while the request's context lasted.
func TestUsedAgain(t *testing.T) {
	type stop = context.CancelCauseFunc
	tests := []struct {
		name   string
		change func(*http.Request)
		use    func(t *testing.T, body io.ReadCloser, cancel stop)
		want   bool
	}{
		{name: "read and closed", use: func(t *testing.T, body io.ReadCloser, _ stop) { readAll(t, body); body.Close() }, want: true},
		{name: "read and not closed", use: func(t *testing.T, body io.ReadCloser, _ stop) { readAll(t, body) }, want: true},
		{
			name: "read, and not for the end itself", want: true, // a decoder knows where its value ends
			use: func(t *testing.T, body io.ReadCloser, _ stop) {
				if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				body.Close()
			},
		},
		{
			name: "read and cancelled then", want: true,
			use: func(t *testing.T, body io.ReadCloser, cancel stop) {
				readAll(t, body)
				body.Close()
				cancel(errStopped)
			},
		},
		{name: "closed", use: func(_ *testing.T, body io.ReadCloser, _ stop) { body.Close() }},
		{
			name: "closed twice", use: func(_ *testing.T, body io.ReadCloser, _ stop) {
				body.Close()
				body.Close()
			},
		},
		{
			name: "cancelled before it was read", use: func(t *testing.T, body io.ReadCloser, cancel stop) {
				cancel(errStopped)
				// All of it may be here already.
				if _, err := io.Copy(io.Discard, body); err != nil && !errors.Is(err, errStopped) {
					t.Errorf("got %v", err)
				}
				body.Close()
			},
		},
		{
			name: "cancelled and closed", use: func(_ *testing.T, body io.ReadCloser, cancel stop) {
				cancel(errStopped)
				body.Close()
			},
		},
		{
			name: "a request that closes", change: func(r *http.Request) { r.Close = true },
			use: func(t *testing.T, body io.ReadCloser, _ stop) { readAll(t, body) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server, c := numbered(t), newClient(t)
			request := newRequest(t, http.MethodGet, server.url, nil)
			ctx, cancel := context.WithCancelCause(request.Context())
			defer cancel(nil)
			request = request.WithContext(ctx)
			if tt.change != nil {
				tt.change(request)
			}
			tt.use(t, begin(t, c, request), cancel)
			got := ask(t, c, http.MethodPost, server.url, "a question")
			if used := got == "1"; used != tt.want {
				t.Errorf("the next request came over connection %s, want that it is used again: %t", got, tt.want)
			}
			if !tt.want {
				if first := await(t, server.gone, "the end of the first connection"); first != 1 {
					t.Errorf("connection %d is closed, want the first", first)
				}
			}
		})
	}
}

// TestHalfRequest answers a request whose body breaks off after the server has answered.
// Whether the caller gets the answer or the error, what comes next over the connection
// would be taken for the rest of the body.
func TestHalfRequest(t *testing.T) {
	answered := make(chan struct{})
	server := serve(t, func(number int, c *net.TCPConn, r *bufio.Reader) {
		if number > 1 {
			if _, _, err := receive(r); err == nil {
				fmt.Fprint(c, ok("an answer"))
			}
			return
		}
		request, err := http.ReadRequest(r)
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		close(answered)
		// The half may not have been sent.
		if body, _ := io.ReadAll(io.LimitReader(request.Body, int64(len("half")+1))); !strings.HasPrefix("half", string(body)) {
			t.Errorf("the server takes %q for the request's body", body)
		}
	})
	c := newClient(t)
	request := newRequest(t, http.MethodPost, server.url, io.MultiReader(strings.NewReader("half"), read(func([]byte) (int, error) {
		await(t, answered, "the answer")
		if err := arrived(c.connections()[0]); err != nil {
			t.Error(err)
		}
		return 0, errors.New("broken")
	})))
	request.ContentLength = 500
	if got, err := send(c, request); err == nil && got.Code != http.StatusBadRequest {
		t.Errorf("got status %d", got.Code)
	}
	if got := ask(t, c, http.MethodGet, server.url, ""); got != "an answer" {
		t.Errorf("got %q", got)
	}
	server.wantAccepted(t, 2)
}

// TestLastUsedFirst shows that of several idle connections the one that was used last is
// taken, and that those of another address are not.
func TestLastUsedFirst(t *testing.T) {
	server, other, c := numbered(t), numbered(t), newClient(t)
	start := func() io.Reader { return begin(t, c, newRequest(t, http.MethodGet, server.url, nil)) }
	busy := []io.Reader{start(), start(), start()}
	for i, index := range []int{0, 2, 1} {
		if got := readAll(t, busy[index]); got != strconv.Itoa(index+1) {
			t.Errorf("answer %d came over connection %s, want one each", i, got)
		}
	}
	ask(t, c, http.MethodGet, other.url, "")
	busy = []io.Reader{start(), start(), start(), start()}
	var got []string
	for _, body := range busy {
		got = append(got, readAll(t, body))
	}
	if diff := cmp.Diff([]string{"2", "3", "1", "4"}, got); diff != "" {
		t.Errorf("connections in the order in which they were taken (-want +got):\n%s", diff)
	}
	other.wantAccepted(t, 1)
}

// TestIdleConnectionEnds shows that idle connections which the server has closed, or over
// which it says something that nobody asked for, do not carry a request: one that may not
// be repeated arrives over a new connection, once.
func TestIdleConnectionEnds(t *testing.T) {
	const timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	stay := func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }
	tests := []struct {
		name string
		end  func(c *net.TCPConn)
	}{
		{name: "closed", end: func(*net.TCPConn) {}},
		{name: "closed on one side", end: func(c *net.TCPConn) {
			_ = c.CloseWrite()
			stay(c)
		}},
		{name: "reset", end: func(c *net.TCPConn) { _ = c.SetLinger(0) }},
		{name: "408 and closed", end: func(c *net.TCPConn) { fmt.Fprint(c, timeout) }},
		{name: "408 and open", end: func(c *net.TCPConn) {
			fmt.Fprint(c, timeout)
			stay(c)
		}},
		{name: "an answer to nothing", end: func(c *net.TCPConn) {
			fmt.Fprint(c, ok("another answer"))
			stay(c)
		}},
		{name: "one byte", end: func(c *net.TCPConn) {
			fmt.Fprint(c, "\n")
			stay(c)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			idle := make(chan struct{})
			var posts atomic.Int64
			server := serve(t, func(number int, c *net.TCPConn, r *bufio.Reader) {
				for {
					request, _, err := receive(r)
					if err != nil {
						return
					}
					if request.Method == http.MethodPost {
						posts.Add(1)
					}
					fmt.Fprint(c, ok(strconv.Itoa(number)))
					if number <= 2 {
						<-idle
						tt.end(c)
						return
					}
				}
			})
			c := newClient(t)
			var busy [2]io.Reader
			for i := range busy {
				busy[i] = begin(t, c, newRequest(t, http.MethodGet, server.url, nil))
			}
			for _, body := range busy {
				readAll(t, body)
			}
			close(idle)
			for _, nc := range c.connections() {
				if err := arrived(nc); err != nil {
					t.Fatal(err)
				}
			}
			if got := ask(t, c, http.MethodPost, server.url, "a question"); got != "3" {
				t.Errorf("the answer came over connection %s, want a new one", got)
			}
			if got := posts.Load(); got != 1 {
				t.Errorf("the server saw the request %d times, want once", got)
			}
			for range 2 {
				await(t, server.gone, "the end of the idle connections")
			}
			if got := ask(t, c, http.MethodPost, server.url, "a question"); got != "3" {
				t.Errorf("the next answer came over connection %s, want the same", got)
			}
		})
	}
}

// TestServerRestarts shows that nobody closes all of the connections that a server left,
// and that the next request is answered all the same.
func TestServerRestarts(t *testing.T) {
	const n = 3 * maxEnded
	ended := make(chan struct{})
	server := serve(t, func(number int, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, err := receive(r); err != nil {
				return
			}
			fmt.Fprint(c, ok(strconv.Itoa(number)))
			if number <= n {
				<-ended
				return
			}
		}
	})
	c := newClient(t)
	var busy [n]io.Reader
	for i := range busy {
		busy[i] = begin(t, c, newRequest(t, http.MethodGet, server.url, nil))
	}
	for _, body := range busy {
		readAll(t, body)
	}
	close(ended)
	for _, nc := range c.connections() {
		if err := arrived(nc); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range []int{n - maxEnded, n - 2*maxEnded} {
		if got := ask(t, c, http.MethodPost, server.url, "a question"); got == "" {
			t.Error("no answer")
		}
		// What answered is idle again, ahead of those that are left; it is taken away so
		// that the next request comes by them.
		for address := range c.idle.idle {
			c.idle.pop(address).close()
			if got := len(c.idle.idle[address]); got != left {
				t.Errorf("%d connections are left, want %d", got, left)
			}
		}
	}
}

// TestCloseIdleConnections shows that all idle connections are closed, and none that
// carries a request.
func TestCloseIdleConnections(t *testing.T) {
	server, other, c := numbered(t), numbered(t), newClient(t)
	busy := begin(t, c, newRequest(t, http.MethodGet, server.url, nil))
	ask(t, c, http.MethodGet, server.url, "")
	ask(t, c, http.MethodGet, other.url, "")
	(&http.Client{Transport: c}).CloseIdleConnections()
	if got := await(t, server.gone, "the end of the idle connection"); got != 2 {
		t.Errorf("connection %d was closed, want the idle one", got)
	}
	await(t, other.gone, "the end of the other server's connection")
	if got := readAll(t, busy); got != "1" {
		t.Errorf("got %q from the connection that was busy", got)
	}
	if got := ask(t, c, http.MethodGet, server.url, ""); got != "1" {
		t.Errorf("the next answer came over connection %s, want the one that was busy", got)
	}
}

// pipe is a server at the other end of pipes, which are no sockets and whose time
// [synctest] knows.
type pipe struct {
	start  time.Time
	dials  int
	closed chan string
}

// dial connects to a server that answers with the number of the connection, and tells when
// it was closed.
func (p *pipe) dial(context.Context, string, string) (net.Conn, error) {
	p.dials++
	number := p.dials
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		r := bufio.NewReader(far)
		for {
			if _, _, err := receive(r); err != nil {
				p.closed <- fmt.Sprintf("%d after %s", number, time.Since(p.start))
				return
			}
			fmt.Fprint(far, ok(strconv.Itoa(number)))
		}
	}()
	return near, nil
}

// armed is whether a timer of the pool runs.
func (p *pool) armed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.expiring
}

// TestIdleTimeout shows that connections are closed when they were idle for the timeout
// and no earlier, that one that is used stays, and that no timer runs for no connection.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &pipe{start: time.Now(), closed: make(chan string, 10)}
		transport := &Transport{Dial: server.dial, IdleTimeout: time.Minute}
		start := func() io.Reader {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://model/", nil)
			if err != nil {
				t.Fatal(err)
			}
			return begin(t, transport, request)
		}
		end := func(body io.Reader) string { return readAll(t, body) }
		closed := func(want string) {
			t.Helper()
			if got := <-server.closed; got != want {
				t.Errorf("closed connection %s, want %s", got, want)
			}
			synctest.Wait()
		}

		first, second := start(), start()
		if transport.idle.armed() {
			t.Error("a timer runs before any connection is idle")
		}
		end(first)
		time.Sleep(10 * time.Second)
		end(second)
		time.Sleep(30 * time.Second)
		if got := end(start()); got != "2" {
			t.Errorf("connection %s is used, want the second", got)
		}
		closed("1 after 1m0s")
		closed("2 after 1m40s")
		if transport.idle.armed() {
			t.Error("a timer runs though no connection is idle any more")
		}
		if len(transport.idle.idle) > 0 {
			t.Errorf("the pool keeps %d addresses of which nothing is idle", len(transport.idle.idle))
		}

		// After 1m40s: one that carries a request as its time would be over.
		end(start())
		time.Sleep(50 * time.Second)
		busy := start()
		time.Sleep(time.Hour)
		if transport.idle.armed() {
			t.Error("a timer runs while the only connection carries a request")
		}
		end(busy)
		closed("3 after 1h3m30s")

		// Closed by hand: what becomes idle then has the whole timeout.
		end(start())
		transport.CloseIdleConnections()
		closed("4 after 1h3m30s")
		time.Sleep(50 * time.Second)
		end(start())
		closed("5 after 1h5m20s")
		if transport.idle.armed() {
			t.Error("a timer runs though no connection is idle any more")
		}
	})
}

// TestIdleTimeoutOfSockets shows the same end of an idle connection where it is a socket.
func TestIdleTimeoutOfSockets(t *testing.T) {
	server, c := numbered(t), newClient(t)
	c.IdleTimeout = time.Millisecond
	ask(t, c, http.MethodGet, server.url, "")
	await(t, server.gone, "the end of the idle connection")
	if got := ask(t, c, http.MethodPost, server.url, "a question"); got != "2" {
		t.Errorf("the next answer came over connection %s, want a new one", got)
	}
}

// TestClient shows the Transport in an http.Client, whose server is one of net/http.
func TestClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: newClient(t), Timeout: patience}
	response, err := client.Post(server.URL+"/moved", "text/plain", strings.NewReader("a question"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "a question" {
		t.Errorf("got %q and %v, want the question", body, err)
	}
}
