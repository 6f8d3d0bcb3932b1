package upstream

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"ragops.dev/ragservice/runtime/upstream/http1"
)

const (
	// maxIdlePerHost is beyond what one replica has in flight: every connection
	// that was needed once is kept for the next query, until idleTimeout. With
	// fewer than a burst needs, each answer closes a connection and each question
	// opens one, and the ports of those that were closed are not free for a minute.
	maxIdlePerHost = 1 << 16
	idleTimeout    = 90 * time.Second
	dialTimeout    = 5 * time.Second
	// pingAfter is how long a HTTP/2 connection may be silent before a ping asks
	// whether it is still alive.
	pingAfter = 15 * time.Second
)

// connections are those of the whole process: parts that ask the same server, such
// as an embedding and a model of one provider, use the same ones.
var connections = sync.OnceValue(func() http.RoundTripper {
	dial := (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	return &routes{
		plain: &http1.Transport{Dial: dial, IdleTimeout: idleTimeout},
		other: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dial,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialTimeout,
			MaxIdleConnsPerHost: maxIdlePerHost,
			WriteBufferSize:     http1.WriteBuffer,
			IdleConnTimeout:     idleTimeout,
			ForceAttemptHTTP2:   true,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: dialTimeout},
		},
	}
})

// routes sends plain HTTP itself, and all else, proxies included, by net/http.
type routes struct {
	plain *http1.Transport
	other *http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (r *routes) RoundTrip(request *http.Request) (*http.Response, error) {
	if http1.Takes(request) {
		if proxy, err := r.other.Proxy(request); err == nil && proxy == nil {
			return r.plain.RoundTrip(request)
		}
	}
	return r.other.RoundTrip(request)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (r *routes) CloseIdleConnections() {
	r.plain.CloseIdleConnections()
	r.other.CloseIdleConnections()
}
