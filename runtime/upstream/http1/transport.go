// Package http1 asks servers over plain HTTP/1.1, as models, embeddings and stores inside
// a cluster are asked, and waits for the answer on the goroutine that asks. It knows
// nothing of what is asked, of secrets or of retries.
//
// [http.Transport] has two goroutines and two buffers for each connection. A service
// that has thousands of questions with a model, and a connection for each, holds them all
// for as long as the model takes, and hands every question and every answer from one
// goroutine to another. Here a connection on which an answer is awaited is a socket and
// nothing else. Requests are written and responses are read by net/http.
//
// TLS, where HTTP/2 shares one connection among the questions, and proxies are left to
// [http.Transport]; [Takes] tells which requests are. Unlike that, a [Transport] asks for no
// compression: within a cluster that costs both sides more than it saves.
package http1

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Transport sends requests over connections that are kept for the next one. Its fields
// may not change once it is in use.
type Transport struct {
	// Dial opens connections.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// IdleTimeout is how long a connection is kept without a request.
	IdleTimeout time.Duration

	idle pool
}

var _ http.RoundTripper = (*Transport)(nil)

// Takes reports whether a [Transport] can send the request, but for a proxy that it may
// have to go through.
func Takes(request *http.Request) bool {
	for _, c := range []byte(request.URL.Host) {
		if c >= 0x80 { // to be put in ASCII first
			return false
		}
	}
	return request.URL.Scheme == "http" && request.URL.Host != ""
}

// RoundTrip implements [http.RoundTripper]. The request's context ends the connection at
// any time until the response's body was read to its end or closed, and its cause is the
// error then. A body that is closed before its end costs the connection.
//
// The request is written whole before an answer is looked for. A server that answers a large
// one early, and neither reads on nor closes, is waited for until the context ends.
//
// A request that a connection which was used before did not carry, since the server had
// closed it, is sent again over a new one, once, and only where that cannot do anything
// twice: nothing of it was written, or its method is safe.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := refusal(request); err != nil {
		closeBody(request)
		return nil, err
	}
	address := request.URL.Host
	if request.URL.Port() == "" {
		address = net.JoinHostPort(request.URL.Hostname(), "80")
	}
	if c := t.idle.take(address); c != nil {
		response, err := c.exchange(request)
		if err == nil || !c.unused(request) {
			return response, err
		}
		return t.again(request, address)
	}
	return t.first(request, address)
}

// first sends a request over a new connection.
func (t *Transport) first(request *http.Request, address string) (*http.Response, error) {
	c, err := t.dial(request.Context(), address)
	if err != nil {
		closeBody(request)
		return nil, err
	}
	return c.exchange(request)
}

// again does so with a request of which a body was read.
func (t *Transport) again(request *http.Request, address string) (*http.Response, error) {
	copied := request.WithContext(request.Context())
	if request.GetBody != nil {
		var err error
		if copied.Body, err = request.GetBody(); err != nil {
			return nil, err
		}
	}
	response, err := t.first(copied, address)
	if response != nil {
		response.Request = request
	}
	return response, err
}

// CloseIdleConnections closes connections that carry no request.
func (t *Transport) CloseIdleConnections() { t.idle.clear() }

// dial opens a connection. It does so on a goroutine of its own, since it takes more stack
// than anything else that a question does, and the stack of a caller's goroutine would
// stay as large.
func (t *Transport) dial(ctx context.Context, address string) (*conn, error) {
	type dialed struct {
		net.Conn
		err error
	}
	result := make(chan dialed, 1)
	go func() {
		nc, err := t.Dial(ctx, "tcp", address)
		result <- dialed{nc, err}
	}()
	got := <-result // no later than ctx ends, which ends Dial
	if got.err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, got.err
	}
	return newConn(got.Conn, address, t), nil
}

// refusal is why a request cannot be sent, if it cannot: it was cancelled before, or
// net/http would write something else than it says.
func refusal(request *http.Request) error {
	if ctx := request.Context(); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if m := request.Method; m != "" && !httpguts.ValidHeaderFieldName(m) { // a token, as names are
		return fmt.Errorf("invalid method %q", m)
	}
	if err := valid("header", request.Header); err != nil {
		return err
	}
	return valid("trailer", request.Trailer)
}

func valid(what string, fields http.Header) error {
	for name, values := range fields {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("invalid name of a %s: %q", what, name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("invalid value of the %s %s", what, name) // not what it is, which may be secret
			}
		}
	}
	return nil
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

var errNoAnswer = errors.New("the server closed the connection without an answer")
