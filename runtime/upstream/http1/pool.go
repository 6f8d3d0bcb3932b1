package http1

import (
	"slices"
	"sync"
	"time"
)

// pool holds connections that carry no request. All methods may be called at any time.
type pool struct {
	mu sync.Mutex
	// idle connections of each address, in the order in which they became so.
	idle map[string][]*conn
	// expiring is whether expire will be called.
	expiring bool
}

// maxEnded bounds the connections that the server ended and that one request comes by.
// After a server restarts all of them are, and whoever comes first would close thousands;
// those that are left expire.
const maxEnded = 16

// take returns the connection that was used last, whose congestion window is the likeliest
// to be still open, or nil. Those that the server closed meanwhile are closed here too.
func (p *pool) take(address string) *conn {
	for range maxEnded {
		c := p.pop(address)
		if c == nil || c.quiet() {
			return c
		}
		c.close()
	}
	return nil
}

func (p *pool) pop(address string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[address]
	if len(idle) == 0 {
		return nil
	}
	c := idle[len(idle)-1]
	idle[len(idle)-1] = nil
	p.idle[address] = idle[:len(idle)-1]
	return c
}

// put keeps a connection for no longer than the timeout.
func (p *pool) put(c *conn, timeout time.Duration) {
	c.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = map[string][]*conn{}
	}
	p.idle[c.address] = append(p.idle[c.address], c)
	if !p.expiring {
		p.expireAfter(timeout, timeout)
	}
}

// expireAfter has connections closed that are idle for longer than the timeout, once the
// wait is over.
func (p *pool) expireAfter(wait, timeout time.Duration) {
	p.expiring = true
	time.AfterFunc(wait, func() { p.expire(timeout) })
}

func (p *pool) expire(timeout time.Duration) {
	for _, c := range p.expired(time.Now(), timeout) {
		c.close()
	}
}

// expired takes the connections away that are to be closed, which thousands may be: nobody
// is to wait for that.
func (p *pool) expired(now time.Time, timeout time.Duration) (all []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expiring = false
	next := timeout
	for address, idle := range p.idle {
		n := 0
		for n < len(idle) && now.Sub(idle[n].idleSince) >= timeout {
			n++
		}
		all = append(all, idle[:n]...)
		if idle = slices.Delete(idle, 0, n); len(idle) == 0 {
			delete(p.idle, address)
			continue
		}
		p.idle[address] = idle
		next = min(next, timeout-now.Sub(idle[0].idleSince))
	}
	if len(p.idle) > 0 {
		p.expireAfter(next, timeout)
	}
	return all
}

// clear closes all.
func (p *pool) clear() {
	p.mu.Lock()
	all := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, idle := range all {
		for _, c := range idle {
			c.close()
		}
	}
}
