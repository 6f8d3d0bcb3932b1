package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/telemetry"
)

// processor does one thing at a time, in the order in which it is asked.
type processor struct {
	mu   sync.Mutex
	free time.Time
}

// do takes its turn and the time of the work.
func (p *processor) do(work time.Duration) {
	p.mu.Lock()
	p.free = time.Unix(0, max(p.free.UnixNano(), time.Now().UnixNano())).Add(work)
	free := p.free
	p.mu.Unlock()
	time.Sleep(time.Until(free))
}

// traffic is queries that arrive at a pace and how each is answered.
type traffic struct {
	perSecond int // 0 has all of them arrive at once
	queries   int
	work      time.Duration // of the processor, half of it before the model and half after
	model     time.Duration
}

// came is what came of a query.
type came struct {
	arrived, took time.Duration
	shed          bool
}

// send has the traffic pass the admission, and returns what came of each query.
func (tr traffic) send(t *testing.T, a *admission) []came {
	t.Helper()
	cpu := &processor{}
	a.yield = func() { cpu.do(0) }
	all := make([]came, tr.queries)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			arrived := time.Now()
			err := a.enter(t.Context())
			if err == nil {
				cpu.do(tr.work / 2)
				time.Sleep(tr.model)
				cpu.do(tr.work / 2)
				a.leave()
			}
			all[i] = came{arrived.Sub(start), time.Since(arrived), err != nil}
		})
		if tr.perSecond > 0 {
			time.Sleep(time.Second / time.Duration(tr.perSecond))
		}
	}
	wg.Wait()
	return all
}

// between are the queries that arrived then.
func between(all []came, from, to time.Duration) (answered, shed []time.Duration) {
	for _, c := range all {
		switch {
		case c.arrived < from || c.arrived >= to:
		case c.shed:
			shed = append(shed, c.took)
		default:
			answered = append(answered, c.took)
		}
	}
	return answered, shed
}

func percentile(took []time.Duration, p int) time.Duration {
	if len(took) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(took))[len(took)*p/100]
}

func newTestAdmission(change func(*config.Server)) *admission {
	cfg := config.Server{MaxInFlight: 8192, MaxQueued: 1024, QueueTimeout: time.Second}
	if change != nil {
		change(&cfg)
	}
	return newAdmission(cfg, telemetry.NewMetrics(prometheus.NewRegistry()))
}

// TestAdmissionShedsNothing has load that can be done, however much of it waits for
// the model.
func TestAdmissionShedsNothing(t *testing.T) {
	tests := []struct {
		name    string
		traffic traffic
		wantP95 time.Duration
	}{
		{"steady, 5,000 in flight", traffic{perSecond: 5000, queries: 50_000, work: 160 * time.Microsecond, model: time.Second}, 1100 * time.Millisecond},
		{"5,000 at once", traffic{queries: 5000, work: 400 * time.Microsecond, model: time.Second}, 3 * time.Second},
		{"a slow model", traffic{perSecond: 200, queries: 8000, work: 400 * time.Microsecond, model: 20 * time.Second}, 20100 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answered, shed := between(tt.traffic.send(t, newTestAdmission(nil)), 0, time.Hour)
				if len(shed) > 0 {
					t.Errorf("%d of %d queries were shed", len(shed), tt.traffic.queries)
				}
				if p95 := percentile(answered, 95); p95 > tt.wantP95 {
					t.Errorf("p95 is %s, want at most %s", p95, tt.wantP95)
				}
			})
		})
	}
}

// TestAdmissionUnderOverload has twice the load that the processor, or the places,
// can do. Once the queue stands, as much is answered as can be, and soon; the others
// are refused at once.
func TestAdmissionUnderOverload(t *testing.T) {
	tests := []struct {
		name     string
		server   func(*config.Server)
		traffic  traffic
		capacity float64 // answers per second
	}{
		{
			name: "of the processor", capacity: 1000,
			traffic: traffic{perSecond: 2000, queries: 40_000, work: time.Millisecond, model: time.Second},
		},
		{
			name: "of the places", capacity: 100, server: func(s *config.Server) { s.MaxInFlight = 100 },
			traffic: traffic{perSecond: 200, queries: 4000, work: time.Millisecond, model: time.Second},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const settled, end = 10 * time.Second, 20 * time.Second
				a := newTestAdmission(tt.server)
				answered, shed := between(tt.traffic.send(t, a), settled, end)
				if got, want := float64(len(answered))/(end-settled).Seconds(), 0.9*tt.capacity; got < want {
					t.Errorf("%.0f answers per second, want at least %.0f", got, want)
				}
				// The target is the wait before the work, and each half of the work
				// waits behind what was let in since, which is a little more.
				if p95, want := percentile(answered, 95), tt.traffic.model+4*waitTarget; p95 > want {
					t.Errorf("the p95 of answers is %s, want at most %s", p95, want)
				}
				if p95, want := percentile(shed, 95), 2*waitTarget; len(shed) == 0 || p95 > want {
					t.Errorf("%d queries were shed, with a p95 of %s, want some, and at most %s", len(shed), p95, want)
				}

				// When it is over, all are answered again.
				time.Sleep(time.Second)
				calm := traffic{perSecond: int(tt.capacity) / 2, queries: 5 * int(tt.capacity), work: tt.traffic.work, model: tt.traffic.model}
				if _, shed := between(calm.send(t, a), 0, time.Hour); len(shed) > 0 {
					t.Errorf("%d of %d queries were shed after the overload", len(shed), calm.queries)
				}
				if a.standing.is {
					t.Error("the queue still counts as standing")
				}
			})
		})
	}
}

// TestAdmissionBounds fills places and queue.
func TestAdmissionBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestAdmission(func(s *config.Server) { s.MaxInFlight, s.MaxQueued = 1, 2 })
		if err := a.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		waits := make(chan error, 2)
		go func() { waits <- a.enter(t.Context()) }()
		go func() { waits <- a.enter(gone) }()
		synctest.Wait()

		err := a.enter(t.Context())
		if e, ok := errors.AsType[*statusError](err); !ok || e.status != http.StatusServiceUnavailable || e.retryAfter != time.Second {
			t.Errorf("beyond the queue: got %v, want status 503 and to come again after a second", err)
		}
		leave()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller who left: got %v", err)
		}
		began := time.Now()
		if err := <-waits; asStatusError(err).code != codeOverloaded || time.Since(began) != time.Second {
			t.Errorf("the one who waits: got %v after %s, want to be shed after a second", err, time.Since(began))
		}
		a.leave()
		if a.inFlight != 0 || len(a.queue) != 0 {
			t.Errorf("%d in flight and %d in the queue, want none", a.inFlight, len(a.queue))
		}
	})
}

// TestAdmissionOrder has queries wait for the one place: first come, first served,
// and the other way round while the queue stands.
func TestAdmissionOrder(t *testing.T) {
	for name, stands := range map[string]bool{"the queue drains": false, "the queue stands": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTestAdmission(func(s *config.Server) { s.MaxInFlight = 1 })
				if err := a.enter(t.Context()); err != nil {
					t.Fatal(err)
				}
				a.standing.is = stands
				var order []int
				for i := range 3 {
					go func() {
						if err := a.enter(t.Context()); err != nil {
							t.Error(err)
						}
						order = append(order, i)
					}()
					time.Sleep(time.Millisecond)
				}
				for range 4 {
					a.leave()
					synctest.Wait()
				}
				want := []int{0, 1, 2}
				if stands {
					slices.Reverse(want)
				}
				if !slices.Equal(order, want) {
					t.Errorf("the places went to %v, want %v", order, want)
				}
			})
		})
	}
}

// TestShedAnswer is what a caller sees of it.
func TestShedAnswer(t *testing.T) {
	r := serveParts(t, parts{server: func(s *config.Server) { s.MaxQueued = 0 }})
	a := r.server.admission
	a.inFlight = a.maxInFlight
	for path, body := range map[string]string{"/query": `{"query": "q"}`, "/v1/chat/completions": `{"messages": [{"role": "user", "content": "q"}]}`} {
		got := r.do(t, http.MethodPost, r.url+path, body)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, headers %v; want 503 and Retry-After", path, got.status, got.header)
		}
	}
}
