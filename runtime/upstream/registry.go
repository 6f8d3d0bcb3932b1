package upstream

import (
	"fmt"
	"sync"
	"time"
)

// Observer is told of each call, for metrics and traces. Its methods are called
// on the calling goroutine and must return at once.
type Observer interface {
	// Called is told the result of each single attempt: "ok", a [Kind],
	// "canceled" where the caller went away, or "open" where the breaker let no
	// call through.
	Called(upstream, result string, took time.Duration)
}

// Registry makes the upstreams of one process and knows how they are. The zero
// value is ready to use.
type Registry struct {
	// Observer may be nil.
	Observer Observer

	mu        sync.Mutex
	upstreams []*Upstream
}

// New makes an upstream of that name. A name that is taken gets a number, as in
// openai-2: names come from providers and their order in the configuration, so
// that they are few, and fit for a metric's label.
func (r *Registry) New(name string) *Upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := map[string]bool{}
	for _, u := range r.upstreams {
		taken[u.name] = true
	}
	unique := name
	for i := 2; taken[unique]; i++ {
		unique = fmt.Sprintf("%s-%d", name, i)
	}
	u := newUpstream(unique, r.Observer)
	r.upstreams = append(r.upstreams, u)
	return u
}

// Health returns the health of each upstream in the order they were made.
func (r *Registry) Health() []Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Health, len(r.upstreams))
	for i, u := range r.upstreams {
		all[i] = u.Health()
	}
	return all
}
