package upstream

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"ragops.dev/ragservice/runtime/upstream/http1"
)

// TestRoutes shows what plain HTTP is sent by: net/http's transport, which all else goes
// by, asks for gzip.
func TestRoutes(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.URL, r.Header.Get("Accept-Encoding"))
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	proxy := func(request *http.Request) (*url.URL, error) {
		if request.URL.Hostname() == "proxied.test" {
			return url.Parse(plain.URL)
		}
		return nil, nil //nolint:nilnil // as http.Transport wants it
	}
	dial := new(net.Dialer).DialContext
	r := &routes{
		plain: &http1.Transport{Dial: dial, IdleTimeout: idleTimeout},
		other: &http.Transport{Proxy: proxy, DialContext: dial, TLSClientConfig: secure.Client().Transport.(*http.Transport).TLSClientConfig},
	}
	defer r.CloseIdleConnections()
	for name, tt := range map[string]struct{ url, want string }{
		"plain":          {plain.URL + "/a", "/a "},
		"TLS":            {secure.URL + "/a", "/a gzip"},
		"behind a proxy": {"http://proxied.test/a", "http://proxied.test/a gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := get(t.Context(), &http.Client{Transport: &transport{base: r}}, tt.url)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q and %v, want %q", got, err, tt.want)
			}
		})
	}
	client := &http.Client{Transport: &transport{base: r}}
	if _, err := get(t.Context(), client, "ftp://localhost/"); err == nil {
		t.Error("asked a server for a scheme that nobody speaks")
	}
}
