package load

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// tick is how often the run is looked at while it runs.
const tick = time.Second

// run is the state of a run while it runs.
type run struct {
	plan     *Plan
	phases   []phase
	start    time.Time
	recorder *recorder
	pool     *pool
	watch    *watch
	// sent and due count the questions of each phase: those that were sent, and
	// those that should have been.
	sent, due []int64
}

// Run carries a plan out. When ctx ends early, what was measured until then is
// returned, marked as interrupted. The error is about the plan; what the target
// does wrong is in the result.
func Run(ctx context.Context, plan Plan) (*Result, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	if err := plan.Target.Validate(); err != nil {
		return nil, err
	}
	r := &run{plan: &plan, phases: plan.phases()}
	r.sent, r.due = make([]int64, len(r.phases)), make([]int64, len(r.phases))
	r.recorder = newRecorder(r.phases, 2*runtime.GOMAXPROCS(0))
	r.start = time.Now()
	clock := func() time.Duration { return time.Since(r.start) }
	r.pool = newPool(&plan, clock, r.recorder.add)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, r.pool.interrupt)
	defer stop()

	r.watch = newWatch(r, cancel)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { r.watch.loop(ctx, done) })

	ended := r.send(ctx)
	r.pool.close()
	close(done)
	watching.Wait()
	return r.result(ended), nil
}

// send asks all questions of the plan and returns the time on the run's clock
// when the last one was due.
func (r *run) send(ctx context.Context) time.Duration {
	end := r.phases[len(r.phases)-1].end
	if r.plan.Clients > 0 {
		r.closedLoop(ctx, end)
	} else {
		r.openLoop(ctx, end)
	}
	return min(time.Since(r.start), end)
}

// openLoop sends each question when it is due, or as soon after as there is a
// place in flight.
func (r *run) openLoop(ctx context.Context, end time.Duration) {
	// The sender sleeps in the system rather than in the Go runtime (see nap), so
	// it has a thread to itself.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	expired := time.NewTimer(time.Until(r.start.Add(end)))
	defer expired.Stop()
	picker := r.plan.Questions.picker(r.plan.Seed, 0)
	sending := true
	for phase, at := range arrivals(r.phases, r.plan.Arrivals, r.plan.Seed) {
		if sending {
			sending = waitUntil(ctx, r.start.Add(at)) &&
				r.pool.dispatch(ctx, expired.C, job{phase, at, picker.pick()})
			if sending {
				r.sent[phase]++
			}
		}
		if ctx.Err() != nil {
			return
		}
		r.due[phase]++
	}
	// The measured time ends with the last phase, not with its last question.
	if sending {
		waitUntil(ctx, r.start.Add(end))
	}
}

// closedLoop lets each client ask its next question when the last one is
// answered.
func (r *run) closedLoop(ctx context.Context, end time.Duration) {
	var clients sync.WaitGroup
	var sent = make([]atomic.Int64, len(r.phases))
	for id := range r.plan.Clients {
		clients.Go(func() {
			if !begins(ctx, r.plan.RampUp*time.Duration(id)/time.Duration(r.plan.Clients)) {
				return
			}
			picker := r.plan.Questions.picker(r.plan.Seed, uint64(id))
			conn := newConnection(&r.plan.Target, r.plan.Timeout, r.pool.track)
			defer conn.close()
			phase := 0
			for now := time.Since(r.start); now < end && ctx.Err() == nil; now = time.Since(r.start) {
				for now >= r.phases[phase].end {
					phase++
				}
				r.pool.inFlight.Add(1)
				sent[phase].Add(1)
				r.pool.ask(ctx, id, conn, job{phase, now, picker.pick()})
				r.pool.inFlight.Add(-1)
			}
		})
	}
	clients.Wait()
	for i := range sent {
		r.sent[i] = sent[i].Load()
		r.due[i] = r.sent[i]
	}
}

// begins waits for a client's turn to begin, and returns false where ctx ended first.
func begins(ctx context.Context, after time.Duration) bool {
	select {
	case <-time.After(after):
		return true
	case <-ctx.Done():
		return false
	}
}

// waitUntil returns false where ctx ended first.
func waitUntil(ctx context.Context, due time.Time) bool {
	const short = 2 * time.Millisecond
	for {
		left := time.Until(due)
		switch {
		case left <= 0:
			return ctx.Err() == nil
		case left <= short:
			nap(left)
		default:
			timer := time.NewTimer(left - short)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return false
			}
		}
	}
}
