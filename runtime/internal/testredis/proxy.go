package testredis

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and a server and can make the way slow.
type Proxy struct {
	// Addr is host:port.
	Addr string

	delay atomic.Int64
}

// StartProxy runs a proxy to the server until the test ends.
func StartProxy(tb testing.TB, server *Server) *Proxy {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String()}
	var wg sync.WaitGroup
	tb.Cleanup(func() {
		cancel()
		listener.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(ctx, client, server.Addr) })
		}
	})
	return p
}

// SetDelay makes each reply come so much later.
func (p *Proxy) SetDelay(d time.Duration) { p.delay.Store(int64(d)) }

func (p *Proxy) serve(ctx context.Context, client net.Conn, addr string) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	var wg sync.WaitGroup
	wg.Go(func() { p.pipe(ctx, server, client, false) })
	p.pipe(ctx, client, server, true)
	wg.Wait()
}

// pipe copies until one side ends, then ends the other.
func (p *Proxy) pipe(ctx context.Context, to, from net.Conn, slow bool) {
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if d := time.Duration(p.delay.Load()); slow && d > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(d):
			}
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
