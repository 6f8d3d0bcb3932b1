package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// body is that of a response. Its end gives the connection back for the next request.
type body struct {
	io.ReadCloser
	conn   *conn
	reader *bufio.Reader
	ctx    context.Context
	// stop keeps the end of ctx from closing the connection.
	stop func() bool
	// last is whether the connection is to carry no other request.
	last bool
	// err is what every Read returns once one has.
	err error
	// over is whether the connection is given back or closed.
	over atomic.Bool
}

var errClosed = errors.New("read from the body of a response that is closed")

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.over.Load():
		return 0, cause(b.ctx, errClosed)
	}
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if err == io.EOF { //nolint:errorlint // the end itself is never wrapped
		b.ended()
	} else {
		err = cause(b.ctx, err)
		_ = b.Close()
	}
	b.err = err
	return n, err
}

// ended gives the connection back after the last byte of the body.
func (b *body) ended() {
	if !b.over.CompareAndSwap(false, true) {
		return
	}
	more := b.reader.Buffered() > 0 // than this response
	release(b.reader)
	if !b.stop() || more || b.last {
		b.conn.close()
		return
	}
	b.conn.transport.idle.put(b.conn, b.conn.transport.IdleTimeout)
}

// Close implements [io.Closer]. It may be called at any time, and ends a Read. The buffer
// is not used again then, for a Read may still have it.
func (b *body) Close() error {
	if b.over.CompareAndSwap(false, true) {
		b.stop()
		b.conn.close()
	}
	return nil
}
