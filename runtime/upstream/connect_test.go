package upstream

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestConnect wants the request after Connect on the connection that it opened,
// and the secret with that one alone.
func TestConnect(t *testing.T) {
	var opened atomic.Int64
	var keys []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := NewHTTPClient(Secret{File: file, Header: "Authorization", Prefix: "Bearer "})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	if err := Connect(t.Context(), client, server.URL+"/v1"); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/embeddings", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
	if got, want := strings.Join(keys, ", "), "HEAD / , POST /v1/embeddings Bearer secret"; got != want {
		t.Errorf("the server was asked %q, want %q", got, want)
	}
}

func TestConnectToNobody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	client, err := NewHTTPClient(Secret{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Connect(t.Context(), client, "http://"+address); err == nil {
		t.Error("no error, want one")
	}
}
