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

// wrapped hides what a body is, as the official clients do.
type wrapped struct{ io.ReadCloser }

// TestRequestIsOneWrite sends a body that a client has wrapped.
func TestRequestIsOneWrite(t *testing.T) {
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
	base := &http.Transport{WriteBufferSize: writeBuffer, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return counted{conn, &writes}, err
	}}
	defer base.CloseIdleConnections()
	want := strings.Repeat("0.25,", 1000)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	request.Body = wrapped{request.Body}
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
