package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds the wait for what has to happen. No test that passes waits as long.
const patience = 20 * time.Second

// rawServer is a server whose connections are handled by hand, to answer as no server of
// net/http would.
type rawServer struct {
	url      string
	accepted atomic.Int64
	// gone gets the number of each connection that the server is done with.
	gone chan int
}

// serve starts a server that handles each connection on a goroutine of its own, the first
// one as number 1, and closes it then.
func serve(t testing.TB, handle func(number int, c *net.TCPConn, r *bufio.Reader)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "http://" + listener.Addr().String(), gone: make(chan int, 10_000)}
	var serving sync.WaitGroup
	var mu sync.Mutex
	var all []net.Conn
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
			number := int(s.accepted.Add(1))
			serving.Go(func() {
				handle(number, c.(*net.TCPConn), bufio.NewReader(c))
				c.Close()
				s.gone <- number
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, c := range all {
			c.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return s
}

// answering serves every request of every connection with the same bytes.
func answering(t testing.TB, answer string) *rawServer {
	t.Helper()
	return serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, err := receive(r); err != nil {
				return
			}
			fmt.Fprint(c, answer)
		}
	})
}

// receive reads a request and its body.
func receive(r *bufio.Reader) (*http.Request, string, error) {
	request, err := http.ReadRequest(r)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(request.Body)
	return request, string(body), err
}

// ok is an answer with a body.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// client is a [Transport] that remembers what it dialed.
type client struct {
	*Transport
	mu     sync.Mutex
	dialed []net.Conn
}

func newClient(t testing.TB) *client {
	t.Helper()
	c := &client{}
	c.Transport = &Transport{
		IdleTimeout: time.Hour,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				c.mu.Lock()
				c.dialed = append(c.dialed, nc)
				c.mu.Unlock()
			}
			return nc, err
		},
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// connections returns those that were dialed, in this order.
func (c *client) connections() []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.dialed)
}

// netHTTP is what answers are compared with. It asks for no compression, as [Transport]
// does not.
func netHTTP(t testing.TB) *http.Transport {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// newRequest is a request that no test waits for endlessly.
func newRequest(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// answer is what a caller sees of a response.
type answer struct {
	Status, Proto, Body string
	Code                int
	Header, Trailer     http.Header
	ContentLength       int64
	TransferEncoding    []string
	Close, Uncompressed bool
}

// begin sends a request, which has to succeed, and returns the body of its response.
func begin(t testing.TB, transport http.RoundTripper, request *http.Request) io.ReadCloser {
	t.Helper()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	return response.Body
}

// readAll reads a body to its end.
func readAll(t testing.TB, body io.Reader) string {
	t.Helper()
	got, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// send sends a request and reads the body of its response to the end.
func send(transport http.RoundTripper, request *http.Request) (answer, error) {
	response, err := transport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{
		Status: response.Status, Code: response.StatusCode, Proto: response.Proto, Header: response.Header, Trailer: response.Trailer, Body: string(body),
		ContentLength: response.ContentLength, TransferEncoding: response.TransferEncoding, Close: response.Close, Uncompressed: response.Uncompressed,
	}, err
}

// ask sends a request that has to succeed and returns the body of its response.
func ask(t testing.TB, transport http.RoundTripper, method, url, body string) string {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	got, err := send(transport, newRequest(t, method, url, reader))
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return got.Body
}

// await returns what the channel gives.
func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("still waiting for %s", what)
		panic("not reached")
	}
}

// wantAccepted compares how many connections a server got.
func (s *rawServer) wantAccepted(t testing.TB, want int64) {
	t.Helper()
	if got := s.accepted.Load(); got != want {
		t.Errorf("the server got %d connections, want %d", got, want)
	}
}

// arrived returns as soon as a connection has something to be read, or an end, and leaves
// it there.
func arrived(c net.Conn) error {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		for range 100 { // interrupted by the signals of Go's scheduler
			n, failed = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
			if !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	if failed == nil && n == 0 {
		return errors.New("nothing has arrived")
	}
	return failed
}

// closing is a body that counts how often it is closed.
type closing struct {
	io.Reader
	closed atomic.Int64
}

func (c *closing) Close() error {
	c.closed.Add(1)
	return nil
}

// read is an [io.Reader] that is a function.
type read func(p []byte) (int, error)

func (r read) Read(p []byte) (int, error) { return r(p) }
