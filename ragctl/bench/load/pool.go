package load

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// job is a question on its way.
type job struct {
	phase    int
	intended time.Duration
	question []byte
}

// pool holds the workers, one per question in flight. They are made as they are
// needed, up to a bound, and the one that was busy last is used first, so that no
// more connections are kept warm than the load needs.
type pool struct {
	target  *Target
	timeout time.Duration
	limit   int
	clock   func() time.Duration
	record  func(worker int, o *outcome)

	inFlight atomic.Int64
	running  sync.WaitGroup

	mu    sync.Mutex
	idle  []*worker
	size  int
	conns map[net.Conn]struct{}
	// freed is told when a worker has become idle; it holds one such word.
	freed chan struct{}
}

type worker struct {
	id   int
	jobs chan job
}

func newPool(plan *Plan, clock func() time.Duration, record func(int, *outcome)) *pool {
	return &pool{
		target: &plan.Target, timeout: plan.Timeout, limit: plan.InFlight, clock: clock, record: record,
		conns: map[net.Conn]struct{}{}, freed: make(chan struct{}, 1),
	}
}

// dispatch hands a job to a worker. Where none is free it waits until one is,
// or until ctx or expired ends, and then returns false.
func (p *pool) dispatch(ctx context.Context, expired <-chan time.Time, j job) bool {
	for {
		if w := p.place(ctx); w != nil {
			p.inFlight.Add(1)
			w.jobs <- j
			return true
		}
		select {
		case <-p.freed:
		case <-expired:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// place returns an idle worker, or a new one, or nil where the bound is reached.
func (p *pool) place(ctx context.Context) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return w
	}
	if p.size == p.limit {
		return nil
	}
	w := &worker{id: p.size, jobs: make(chan job, 1)}
	p.size++
	p.running.Go(func() { p.work(ctx, w) })
	return w
}

func (p *pool) work(ctx context.Context, w *worker) {
	conn := newConnection(p.target, p.timeout, p.track)
	defer conn.close()
	for j := range w.jobs {
		p.ask(ctx, w.id, conn, j)
		p.mu.Lock()
		p.idle = append(p.idle, w)
		p.inFlight.Add(-1)
		p.mu.Unlock()
		select {
		case p.freed <- struct{}{}:
		default:
		}
	}
}

func (p *pool) ask(ctx context.Context, id int, conn *connection, j job) {
	o := outcome{phase: j.phase, intended: j.intended, sent: p.clock()}
	o.answer = conn.ask(ctx, j.question)
	o.done = p.clock()
	if !o.answer.firstToken.IsZero() {
		o.firstToken = o.done - time.Since(o.answer.firstToken)
	}
	p.record(id, &o)
}

// track keeps the set of open connections.
func (p *pool) track(closed, opened net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, closed)
	if opened != nil {
		p.conns[opened] = struct{}{}
	}
}

// interrupt makes every read and write in flight return at once. The context
// given to the workers must have ended before.
func (p *pool) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		// A connection that cannot take a deadline is closed already.
		_ = conn.SetDeadline(time.Unix(1, 0))
	}
}

// close waits for what is in flight and ends the workers. No dispatch may follow.
func (p *pool) close() {
	for p.inFlight.Load() > 0 {
		<-p.freed
	}
	p.mu.Lock()
	for _, w := range p.idle {
		close(w.jobs)
	}
	p.idle = nil
	p.mu.Unlock()
	p.running.Wait()
}
