package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxAnswerBytes bounds what is read of one answer.
const maxAnswerBytes = 16 << 20

// answer is what became of one question.
type answer struct {
	// failure is nil where the question was answered.
	failure *Failure
	// firstToken is when the first piece of a streamed answer arrived.
	firstToken time.Time
	cache      cacheResult
	bytes      int64
}

// connection asks one question at a time over a TCP connection that it keeps,
// and opens again where the target closed it.
type connection struct {
	target   *Target
	template template
	timeout  time.Duration
	dialer   net.Dialer
	// opened is told of each connection, so that an interrupt can end it.
	opened func(old, opened net.Conn)

	conn    net.Conn
	wire    countingReader
	reader  *bufio.Reader
	lines   *bufio.Reader
	buf     []byte
	body    bytes.Buffer
	request http.Request
	asked   int
}

func newConnection(target *Target, timeout time.Duration, opened func(old, opened net.Conn)) *connection {
	c := &connection{target: target, template: target.template(), timeout: timeout, opened: opened}
	c.request.Method = http.MethodPost
	c.reader = bufio.NewReaderSize(&c.wire, 8<<10)
	return c
}

// countingReader counts the bytes that arrive.
type countingReader struct {
	net.Conn
	n int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.n += int64(n)
	return n, err
}

// ask sends a question, a JSON string, and reads the answer. A connection that
// the target closed while it was idle is replaced once; nothing else is tried
// again.
func (c *connection) ask(ctx context.Context, question []byte) answer {
	deadline := time.Now().Add(c.timeout)
	reused := c.conn != nil
	before := c.wire.n
	got := c.exchange(ctx, question, deadline)
	if reused && got.failure != nil && got.failure.Kind == FailureReset && c.wire.n == before {
		got = c.exchange(ctx, question, deadline)
	}
	got.bytes = c.wire.n - before
	return got
}

func (c *connection) exchange(ctx context.Context, question []byte, deadline time.Time) answer {
	if c.conn == nil {
		if err := c.open(ctx, deadline); err != nil {
			return answer{failure: networkFailure(ctx, err, false)}
		}
	}
	before := c.wire.n
	got, keep, err := c.roundTrip(ctx, question, deadline)
	if err != nil {
		got.failure = networkFailure(ctx, err, c.wire.n > before)
	}
	if err != nil || !keep {
		c.close()
	}
	return got
}

func (c *connection) open(ctx context.Context, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := c.dialer.DialContext(ctx, "tcp", c.target.address())
	if err != nil {
		return err
	}
	if c.target.URL.Scheme == "https" {
		config := c.target.TLS.Clone()
		if config == nil {
			config = &tls.Config{}
		}
		if config.ServerName == "" {
			config.ServerName = c.target.URL.Hostname()
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			// The handshake's error says more than that of closing would.
			_ = conn.Close()
			return err
		}
		conn = secure
	}
	c.opened(nil, conn)
	c.conn, c.wire.Conn = conn, conn
	c.reader.Reset(&c.wire)
	return nil
}

func (c *connection) close() {
	if c.conn == nil {
		return
	}
	c.opened(c.conn, nil)
	// Whatever closing says, the connection is not used again.
	_ = c.conn.Close()
	c.conn = nil
}

// roundTrip returns an error where the connection failed; what the target itself
// said wrong is in the answer. keep says whether the connection may be used
// again.
func (c *connection) roundTrip(ctx context.Context, question []byte, deadline time.Time) (got answer, keep bool, err error) {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return got, false, err
	}
	// An interrupt between here and the line above has its own deadline undone,
	// so it is looked for after, never before.
	if err := ctx.Err(); err != nil {
		return got, false, err
	}
	c.buf = c.template.request(c.buf[:0], question)
	if _, err := c.conn.Write(c.buf); err != nil {
		return got, false, err
	}
	response, err := c.readHead()
	if err != nil {
		return got, false, err
	}
	got.cache = classifyCache(response.Header.Get("X-Cache"))
	if response.StatusCode == http.StatusOK && c.target.Stream {
		keep, err = c.readStream(response, &got)
	} else {
		keep, err = c.readWhole(response, &got)
	}
	// Closing reads nothing more here: the body was read or is given up.
	_ = response.Body.Close()
	return got, keep && !response.Close, err
}

func (c *connection) readHead() (*http.Response, error) {
	for {
		response, err := http.ReadResponse(c.reader, &c.request)
		if err != nil || response.StatusCode >= 200 {
			return response, err
		}
	}
}

func (c *connection) readWhole(response *http.Response, got *answer) (keep bool, err error) {
	c.body.Reset()
	n, err := io.Copy(&c.body, io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return false, err
	}
	if n > maxAnswerBytes {
		got.failure = &Failure{FailureNotJSON, fmt.Sprintf("longer than %d MiB", maxAnswerBytes>>20)}
		return false, nil
	}
	if response.StatusCode != http.StatusOK {
		got.failure = statusFailure(response.StatusCode, response.Header.Get("Retry-After") != "")
		return true, nil
	}
	// Parsing every answer would take CPU time from a target on the same machine,
	// so all are looked at and one in 64 is parsed.
	got.failure = checkAnswer(c.target.API, response.Header.Get("Content-Type"), c.body.Bytes(), c.asked%64 == 0)
	c.asked++
	return true, nil
}
