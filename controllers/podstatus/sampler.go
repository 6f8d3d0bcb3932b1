// Package podstatus asks running pods of the query runtime what they report at
// /status on their admin port. The reconciler takes the load and the reachable
// dependencies of a service from it, and the metrics API the figures that the
// HorizontalPodAutoscaler scales on; both share one sampler, so that a pod is
// asked once for both. It reads no object of the cluster.
package podstatus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"ragops.dev/ragservice/runtime/config"
)

// The bounds of a sampler.
const (
	// defaultMaxAge is how old a sample may be: much less than the 15 s in which a
	// HorizontalPodAutoscaler looks again.
	defaultMaxAge = 3 * time.Second
	// defaultTimeout bounds one pod's answer.
	defaultTimeout = 2 * time.Second
	// defaultConcurrency bounds how many pods are asked at once.
	defaultConcurrency = 64
	// maxResponse bounds what is read of one answer, in bytes.
	maxResponse = 256 << 10
	// forgetAfter is when a pod that nobody asks for any more is forgotten.
	forgetAfter = time.Minute
)

// Target is a pod to ask.
type Target struct {
	UID types.UID
	// Address is host:port of the admin port.
	Address string
}

// Sample is what a pod answered, or why it did not.
type Sample struct {
	Status *config.Status
	Taken  time.Time
	Err    error
}

// Sampler asks pods, and remembers the answers for a few seconds. The zero value
// is not usable; see [New].
type Sampler struct {
	client *http.Client
	clock  clock.PassiveClock
	maxAge time.Duration
	places *semaphore.Weighted

	mu   sync.Mutex
	pods map[types.UID]*pod
}

// pod is what is known of one pod. Its mutex is held while it is asked, so that
// callers at the same time share one answer.
type pod struct {
	mu     sync.Mutex
	sample Sample
	wanted time.Time // guarded by Sampler.mu
}

// New returns a sampler that asks over transport; nil is a transport of its own
// that keeps connections to the pods open.
func New(transport http.RoundTripper, clock clock.PassiveClock) *Sampler {
	if transport == nil {
		transport = &http.Transport{
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true,
			// No Proxy: pod addresses are of this cluster.
		}
	}
	return &Sampler{
		client: &http.Client{Transport: transport, Timeout: defaultTimeout},
		clock:  clock,
		maxAge: defaultMaxAge,
		places: semaphore.NewWeighted(defaultConcurrency),
		pods:   map[types.UID]*pod{},
	}
}

// Sample asks the targets side by side and returns one sample per target. A pod
// that does not answer has an Err in its sample and holds up no other.
func (s *Sampler) Sample(ctx context.Context, targets []Target) map[types.UID]Sample {
	samples := make([]Sample, len(targets))
	var wait sync.WaitGroup
	for i, target := range targets {
		p := s.pod(target.UID)
		wait.Go(func() { samples[i] = s.ask(ctx, p, target.Address) })
	}
	wait.Wait()

	byUID := make(map[types.UID]Sample, len(targets))
	for i, target := range targets {
		byUID[target.UID] = samples[i]
	}
	return byUID
}

// pod returns the entry of a pod and forgets those that nobody asked for lately.
func (s *Sampler) pod(uid types.UID) *pod {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pods[uid]
	if !ok {
		for other, entry := range s.pods {
			if now.Sub(entry.wanted) > forgetAfter {
				delete(s.pods, other)
			}
		}
		p = &pod{}
		s.pods[uid] = p
	}
	p.wanted = now
	return p
}

func (s *Sampler) ask(ctx context.Context, p *pod, address string) Sample {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.sample.Taken.IsZero() && s.clock.Since(p.sample.Taken) < s.maxAge {
		return p.sample
	}
	if err := s.places.Acquire(ctx, 1); err != nil {
		return Sample{Taken: s.clock.Now(), Err: err} // the caller gave up: says nothing of the pod
	}
	defer s.places.Release(1)

	status, err := s.fetch(ctx, address)
	if ctx.Err() != nil {
		return Sample{Taken: s.clock.Now(), Err: ctx.Err()}
	}
	p.sample = Sample{Status: status, Taken: s.clock.Now(), Err: err}
	return p.sample
}

func (s *Sampler) fetch(ctx context.Context, address string) (*config.Status, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", address, response.Status)
	}
	status := &config.Status{}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxResponse)).Decode(status); err != nil {
		return nil, fmt.Errorf("%s answered what is no status: %w", address, err)
	}
	return status, nil
}
