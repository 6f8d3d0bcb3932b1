package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"ragops.dev/ragservice/runtime/upstream/http1"
)

// counted is a connection that counts what is written to it.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// wrapped hides what a body is, as the official clients do. Like that of the AWS client
// it is at its end once it is closed.
type wrapped struct {
	io.Reader
	closed bool
}

func (w *wrapped) Read(p []byte) (int, error) {
	if w.closed {
		return 0, io.EOF
	}
	return w.Reader.Read(p)
}

func (w *wrapped) Close() error {
	w.closed = true
	return nil
}

// TestRequestIsOneWrite sends bodies that a client has wrapped.
func TestRequestIsOneWrite(t *testing.T) {
	t.Run("with a way to get it again", func(t *testing.T) { testOneWrite(t, true) })
	t.Run("without", func(t *testing.T) { testOneWrite(t, false) })
}

func testOneWrite(t *testing.T, again bool) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = string(body)
	}))
	defer server.Close()
	var writes atomic.Int64
	base := &http.Transport{WriteBufferSize: http1.WriteBuffer, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return counted{conn, &writes}, err
	}}
	defer base.CloseIdleConnections()
	want := strings.Repeat("0.25,", 1000)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	request.Body = &wrapped{Reader: request.Body}
	if !again {
		request.GetBody = nil
	}
	response, err := (&transport{base: base}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got != want {
		t.Errorf("the server got %d bytes, want %d", len(got), len(want))
	}
	if n := writes.Load(); n != 1 {
		t.Errorf("the request took %d writes, want 1", n)
	}
}

// TestBodyAfterTheAnswer reads a body as net/http does, of which the client thinks that
// it was sent.
func TestBodyAfterTheAnswer(t *testing.T) {
	body := &wrapped{Reader: strings.NewReader("question")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost", body)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := inMemory(request)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	content, err := io.ReadAll(sent.Body)
	if string(content) != "question" || sent.ContentLength != int64(len(content)) || err != nil {
		t.Errorf("got %q of %d bytes, %v", content, sent.ContentLength, err)
	}
	if n, err := io.CopyBuffer(io.Discard, sent.Body, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("behind the end: %d bytes, %v", n, err)
	}
}
