package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// WriteBuffer takes most requests whole, a question's vector of a few hundred
// components included: what does not fit goes out in two writes. In bytes.
const WriteBuffer = 8 << 10

const (
	readBuffer = 4 << 10
	// maxHeaderBytes bounds the status line and the headers of a response.
	maxHeaderBytes = 1 << 20
	// maxInformational bounds the responses that announce another (1xx), as net/http does.
	maxInformational = 5
)

// Buffers are taken while bytes are on their way, and not while an answer is awaited.
var (
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, WriteBuffer) }}
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}
)

// conn carries one request at a time.
type conn struct {
	net.Conn
	address   string
	transport *Transport
	idleSince time.Time

	raw syscall.RawConn // nil where there is none
	// await and glance are look, kept since a function that is made costs memory.
	await  func(fd uintptr) bool
	glance func(fd uintptr)
	// seen is what look found: EAGAIN where there is nothing to be read, not even an end.
	seen error

	// Of the request that it carries:

	written, received int64
	// failed is why it could not be written to or read from.
	failed error
	// left is how many bytes of its response may still be received.
	left int64
}

func newConn(nc net.Conn, address string, t *Transport) *conn {
	c := &conn{Conn: nc, address: address, transport: t}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw, c.await, c.glance = raw, c.look, func(fd uintptr) { c.look(fd) }
		}
	}
	return c
}

// look is called with the socket until it returns true: where there was nothing to be
// read it comes again as soon as there is something.
func (c *conn) look(fd uintptr) bool {
	if errors.Is(c.seen, syscall.EAGAIN) {
		return true
	}
	var first [1]byte
	_, _, c.seen = syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return !errors.Is(c.seen, syscall.EAGAIN)
}

// wait returns as soon as there is something to be read, or an end. It holds no buffer
// meanwhile.
func (c *conn) wait() error {
	if c.raw == nil {
		return nil
	}
	c.seen = nil
	if err := c.raw.Read(c.await); err != nil {
		return err
	}
	if c.seen != nil && !errors.Is(c.seen, syscall.EAGAIN) { // to be seen once only
		c.failed = os.NewSyscallError("recvfrom", c.seen)
		return c.failed
	}
	return nil
}

// quiet reports whether there is nothing to be read. An idle connection that is not quiet
// was closed by the server, or says something that nobody asked for.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return true
	}
	c.seen = nil
	err := c.raw.Control(c.glance)
	return err == nil && errors.Is(c.seen, syscall.EAGAIN)
}

func (c *conn) close() { _ = c.Close() }

// Write implements [io.Writer].
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written += int64(n)
	if err != nil {
		c.failed = err
	}
	return n, err
}

// Read implements [io.Reader].
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("the headers of the response are longer than %d MiB", maxHeaderBytes>>20)
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.received += int64(n)
	if err != nil {
		c.failed = err
	}
	return n, err
}

// exchange sends a request and returns its response, whose body gives the connection back.
func (c *conn) exchange(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	stop := context.AfterFunc(ctx, c.close)
	c.written, c.received, c.failed, c.left = 0, 0, nil, maxHeaderBytes
	r, response, err := c.ask(request)
	if err != nil {
		stop()
		c.close()
		return nil, cause(ctx, err)
	}
	c.left = math.MaxInt64
	b := &body{
		ReadCloser: response.Body, conn: c, reader: r, ctx: ctx, stop: stop,
		last: request.Close || response.Close || c.failed != nil || response.StatusCode < 100,
	}
	response.Body = b
	if b.ReadCloser == http.NoBody {
		b.err = io.EOF
		b.ended()
	}
	return response, nil
}

// cause is why ctx ended, where it did: errors of a connection that was closed for it say
// nothing.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// unused reports whether the request, which failed, can be sent over another connection.
func (c *conn) unused(request *http.Request) bool {
	if request.Context().Err() != nil || c.failed == nil || c.received > 0 {
		return false
	}
	if request.Body != nil && request.Body != http.NoBody && request.GetBody == nil {
		return false
	}
	switch request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, "":
		return true
	}
	return c.written == 0
}

// ask sends a request and returns its response, and the buffer that its body is read from.
func (c *conn) ask(request *http.Request) (*bufio.Reader, *http.Response, error) {
	if err := c.send(request); err != nil && (c.failed == nil || c.written == 0 || c.quiet()) {
		return nil, nil, err // else the server has answered, and closed, before it had read the request
	}
	if err := c.wait(); err != nil {
		return nil, nil, err
	}
	r := readers.Get().(*bufio.Reader)
	r.Reset(c)
	response, err := c.receive(r, request)
	if err != nil {
		release(r)
		return nil, nil, err
	}
	return r, response, nil
}

func (c *conn) send(request *http.Request) error {
	w := writers.Get().(*bufio.Writer)
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	w.Reset(c)
	if err := request.Write(w); err != nil {
		return err
	}
	return w.Flush()
}

func (c *conn) receive(r *bufio.Reader, request *http.Request) (*http.Response, error) {
	for range maxInformational + 1 {
		response, err := http.ReadResponse(r, request)
		switch {
		case err != nil && c.received == 0 && errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errNoAnswer
		case err != nil:
			return nil, err
		case response.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("the server switched to another protocol, which nobody had asked for")
		case response.StatusCode < 100 || response.StatusCode >= http.StatusOK:
			return response, nil
		}
	}
	return nil, fmt.Errorf("more than %d responses announced another one", maxInformational)
}

func release(r *bufio.Reader) {
	r.Reset(nil)
	readers.Put(r)
}
