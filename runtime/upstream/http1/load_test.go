package http1

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestEveryAnswerBelongsToItsQuestion has many callers share the connections, with bodies
// of every kind and some that are not read to their end.
func TestEveryAnswerBelongsToItsQuestion(t *testing.T) {
	const callers, requests = 50, 40
	var accepted atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		if len(body)%2 == 0 { // in chunks
			_ = http.NewResponseController(w).Flush()
		}
		fmt.Fprintf(w, "%s: %s", r.Header.Get("X-Caller"), body)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := newClient(t)
	var calling sync.WaitGroup
	for caller := range callers {
		calling.Go(func() {
			for i := range requests {
				name := fmt.Sprintf("%d/%d", caller, i)
				question := strings.Repeat(name+" ", 1+(caller*requests+i)*7919%2000)
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(question))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("X-Caller", name)
				got, err := send(c, request)
				if err != nil {
					t.Error(err)
					return
				}
				if got.Body != name+": "+question {
					t.Errorf("question %s has an answer that begins with %.40q", name, got.Body)
				}
			}
		})
	}
	calling.Wait()
	// A connection is dialed only while all others carry a request.
	if got := accepted.Load(); got > callers {
		t.Errorf("the server got %d connections from %d callers", got, callers)
	}
}

// TestSharedWithFailures has callers share the connections while some requests are
// cancelled and some bodies closed: the other ones still get their own answers.
func TestSharedWithFailures(t *testing.T) {
	const callers, requests = 16, 30
	server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			_, body, err := receive(r)
			if err != nil {
				return
			}
			fmt.Fprint(c, ok(body))
		}
	})
	c := newClient(t)
	var calling sync.WaitGroup
	for caller := range callers {
		calling.Go(func() {
			for i := range requests {
				question := strings.Repeat(fmt.Sprintf("%d/%d ", caller, i), 1000)
				ctx, cancel := context.WithCancel(t.Context())
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.url, strings.NewReader(question))
				if err != nil {
					t.Error(err)
				}
				switch (caller + i) % 4 {
				case 0: // at any time
					go cancel()
					if got, err := send(c, request); err == nil && got.Body != question {
						t.Errorf("got %.40q", got.Body)
					}
				case 1:
					if response, err := c.RoundTrip(request); err != nil {
						t.Error(err)
					} else {
						response.Body.Close()
					}
				default:
					if got, err := send(c, request); err != nil || got.Body != question {
						t.Errorf("got %.40q and %v", got.Body, err)
					}
				}
				cancel()
			}
		})
	}
	calling.Wait()
}

// TestNoGoroutinesWhileWaiting shows that requests that wait for their answers have no
// goroutine but their callers', where net/http has two more for each.
func TestNoGoroutinesWhileWaiting(t *testing.T) {
	const requests = 100
	arrived, reply := make(chan struct{}), make(chan struct{})
	server := serve(t, func(_ int, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, err := receive(r); err != nil {
				return
			}
			arrived <- struct{}{}
			<-reply
			fmt.Fprint(c, ok("an answer"))
		}
	})
	// falls returns the number of goroutines as soon as it is no more than most: those
	// that have told that they are done are about to end.
	falls := func(most int) int {
		for end := time.Now().Add(patience / 4); runtime.NumGoroutine() > most && time.Now().Before(end); {
			runtime.Gosched()
		}
		return runtime.NumGoroutine()
	}
	before := runtime.NumGoroutine()
	// extra is how many goroutines there are besides the callers and the server's, which
	// has one for each connection. It should be no more than most.
	extra := func(transport http.RoundTripper, most int) int {
		ctx, cancel := context.WithCancel(t.Context()) // as of any request
		defer cancel()
		var calling sync.WaitGroup
		for range requests {
			calling.Go(func() {
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.url, strings.NewReader("a question"))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := send(transport, request); err != nil {
					t.Error(err)
				}
			})
		}
		for range requests {
			await(t, arrived, "all requests")
		}
		got := falls(before+2*requests+most) - before - 2*requests
		for range requests {
			reply <- struct{}{}
		}
		calling.Wait()
		return got
	}
	c, other := newClient(t), netHTTP(t)
	own := extra(c, 0)
	c.CloseIdleConnections()
	for range requests {
		await(t, server.gone, "the end of all connections")
	}
	falls(before)
	others := extra(other, 2*requests)
	t.Logf("%d requests that wait have %d goroutines of http1, and %d of net/http", requests, own, others)
	if own > 0 {
		t.Errorf("%d requests have %d goroutines besides their callers, want none", requests, own)
	}
	if others-own < 2*requests-requests/10 {
		t.Errorf("net/http has %d goroutines more, want about two for each of %d requests", others-own, requests)
	}
}
