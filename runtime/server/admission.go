package server

import (
	"context"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/telemetry"
)

// codeOverloaded is the error code of a query that was shed.
const codeOverloaded = "overloaded"

// lookInterval is how often an arriving query finds out how long the processors
// let it wait. While the queue stands, each of them does.
const lookInterval = 5 * time.Millisecond

// admission bounds the queries that are worked on at once and those that wait for
// a place, and sheds load where waiting does not end.
//
// It judges by how long queries wait before they are worked on: for a place, and
// for their turn at the processors. How long the work takes says nothing, for most
// of it is the model's, and a model that takes its time is no overload.
//
// As long as the queue drains now and then, queries get places in the order in
// which they came, and may wait for maxWait. While it stands, none may wait for
// longer than waitTarget and the last goes first: in order, each would get its place
// just before its time is up, and be the slowest answer there can be.
type admission struct {
	maxInFlight, maxQueued int
	maxWait                time.Duration
	metrics                *telemetry.Metrics
	// yield lets everything run first that is ready to.
	yield func()

	mu       sync.Mutex
	inFlight int
	queue    []*waiter // in the order in which they came
	standing standing
	looked   time.Time
}

// waiter is a query that waits for a place.
type waiter struct {
	arrived time.Time
	// admitted is told once whether the query has a place. It is buffered: nobody
	// waits for a query.
	admitted chan bool
}

func newAdmission(cfg config.Server, metrics *telemetry.Metrics) *admission {
	return &admission{
		maxInFlight: cfg.MaxInFlight, maxQueued: cfg.MaxQueued, maxWait: cfg.QueueTimeout,
		metrics: metrics, yield: runtime.Gosched,
	}
}

// enter waits for a place. Whoever gets one must call leave.
func (a *admission) enter(ctx context.Context) error {
	arrived := time.Now()
	looks := a.looks(arrived)
	if looks {
		a.yield()
	}
	w, patience, err := a.take(arrived, looks)
	if w == nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var admitted bool
	select {
	case admitted = <-w.admitted:
	case <-timer.C:
		admitted = a.withdraw(w)
	case <-ctx.Done():
		admitted = a.withdraw(w)
	}
	switch {
	case admitted:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return a.shed(telemetry.ShedQueueTimeout)
}

// looks tells whether a query is to find out how long the processors let it wait.
func (a *admission) looks(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.standing.is && now.Sub(a.looked) < lookInterval {
		return false
	}
	a.looked = now
	return true
}

// take takes a place. Where none is free the query becomes a waiter, for as long as
// patience says; without a waiter there is a place or an error.
func (a *admission) take(arrived time.Time, looked bool) (w *waiter, patience time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	switch {
	case a.standing.is && now.Sub(arrived) >= waitTarget:
		a.standing.observe(now, arrived)
		return nil, 0, a.shed(telemetry.ShedQueueTimeout)
	case a.inFlight < a.maxInFlight:
		a.inFlight++
		if looked { // who has not knows of no wait
			a.standing.observe(now, arrived)
		}
		return nil, 0, nil
	case len(a.queue) >= a.maxQueued:
		return nil, 0, a.shed(telemetry.ShedQueueFull)
	}
	w = &waiter{arrived: arrived, admitted: make(chan bool, 1)}
	a.queue = append(a.queue, w)
	if a.standing.is {
		return w, min(a.maxWait, waitTarget), nil
	}
	return w, a.maxWait, nil
}

// withdraw takes a query out of the queue. It returns true where it was given a
// place at this very moment.
func (a *admission) withdraw(w *waiter) (admitted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.queue, w)
	if i < 0 {
		return <-w.admitted
	}
	a.queue = slices.Delete(a.queue, i, i+1)
	a.standing.observe(time.Now(), w.arrived)
	return false
}

// leave gives the place back, or to a query that waits for one.
func (a *admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for a.standing.is && len(a.queue) > 0 && a.standing.observe(now, a.queue[0].arrived) {
		a.queue[0].admitted <- false
		a.queue = slices.Delete(a.queue, 0, 1)
	}
	if len(a.queue) == 0 {
		a.inFlight--
		return
	}
	next := 0
	if a.standing.is {
		next = len(a.queue) - 1
	}
	w := a.queue[next]
	a.queue = slices.Delete(a.queue, next, next+1)
	a.standing.observe(now, w.arrived)
	w.admitted <- true
}

func (a *admission) shed(reason telemetry.ShedReason) error {
	a.metrics.Shed(reason)
	return overloaded(max(time.Second, a.maxWait), nil)
}

func overloaded(retryAfter time.Duration, cause error) *statusError {
	return &statusError{
		status: http.StatusServiceUnavailable, code: codeOverloaded, retryAfter: retryAfter, cause: cause,
		message: "The service is overloaded; ask again after the seconds that Retry-After names.",
	}
}
