package load

import (
	"context"
	"iter"
	"sync"
	"time"

	"ragops.dev/ragservice/ragctl/bench/usage"
)

// Point is what a run looked like during about a second.
type Point struct {
	// Seconds since the run began, at the end of the interval.
	Seconds float64 `json:"seconds"`
	// Stage counts from 0; -1 is the warm-up.
	Stage int `json:"stage"`
	// Draining says that the last question was sent.
	Draining bool `json:"draining,omitempty"`
	// OfferedPerSecond is the rate of the stage; 0 in a closed loop.
	OfferedPerSecond  float64 `json:"offeredPerSecond"`
	AnsweredPerSecond float64 `json:"answeredPerSecond"`
	FailedPerSecond   float64 `json:"failedPerSecond"`
	// InFlight at the end of the interval.
	InFlight int64 `json:"inFlight"`
	// Latencies of what was answered in the interval.
	P50Ms float64 `json:"p50Ms"`
	P95Ms float64 `json:"p95Ms"`
	P99Ms float64 `json:"p99Ms"`
	MaxMs float64 `json:"maxMs"`
	// HitRatio is nil where no answer said.
	HitRatio *float64 `json:"hitRatio,omitempty"`
	// Usage of the target; nil where it is not measured.
	Usage *usage.Sample `json:"usage,omitempty"`
}

// watch looks at a run while it runs.
type watch struct {
	run    *run
	cancel context.CancelFunc
	// points and stopped belong to the watching goroutine until it has ended.
	points []Point
	// stopped says that Progress ended the run.
	stopped bool

	mu       sync.Mutex
	latest   *usage.Sample
	usageErr error
}

func newWatch(r *run, cancel context.CancelFunc) *watch { return &watch{run: r, cancel: cancel} }

// loop looks once per tick, and once more when done is closed.
func (w *watch) loop(ctx context.Context, done <-chan struct{}) {
	sampling, stop := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	if w.run.plan.Usage != nil {
		sampler.Go(func() { w.sample(sampling) })
	}
	defer sampler.Wait()
	defer stop()

	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := w.run.start
	for {
		select {
		case now := <-ticker.C:
			w.look(now, now.Sub(last))
			last = now
		case <-done:
			// A sliver of an interval would make a rate out of chance.
			if now := time.Now(); now.Sub(last) > tick/4 {
				w.look(now, now.Sub(last))
			}
			return
		}
	}
}

// sample measures the target at the sampler's own pace, apart from the ticks,
// because it may have to wait for another server.
func (w *watch) sample(ctx context.Context) {
	sampler := w.run.plan.Usage
	ticker := time.NewTicker(sampler.Interval())
	defer ticker.Stop()
	for {
		got, err := sampler.Sample(ctx)
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		if err == nil {
			w.latest = got
		} else {
			w.latest, w.usageErr = nil, err
		}
		w.mu.Unlock()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *watch) look(now time.Time, span time.Duration) {
	r := w.run
	at := now.Sub(r.start)
	// A point belongs to the phase that most of it was in.
	middle := at - span/2
	ph := 0
	for ph < len(r.phases)-1 && middle >= r.phases[ph].end {
		ph++
	}
	got := r.recorder.take()
	point := Point{
		Seconds: at.Seconds(), Stage: r.stage(ph), Draining: middle >= r.phases[len(r.phases)-1].end,
		AnsweredPerSecond: float64(got.answered) / span.Seconds(),
		FailedPerSecond:   float64(got.failed) / span.Seconds(),
		InFlight:          r.pool.inFlight.Load(),
		P50Ms:             milliseconds(got.latency.ValueAtPercentile(50)),
		P95Ms:             milliseconds(got.latency.ValueAtPercentile(95)),
		P99Ms:             milliseconds(got.latency.ValueAtPercentile(99)),
		MaxMs:             milliseconds(got.latency.Max()),
	}
	if r.plan.Clients == 0 && !point.Draining {
		point.OfferedPerSecond = r.phases[ph].rate
	}
	if known := got.hits + got.misses; known > 0 {
		point.HitRatio = new(float64(got.hits) / float64(known))
	}
	w.mu.Lock()
	point.Usage = w.latest
	w.mu.Unlock()
	w.points = append(w.points, point)
	if r.plan.Progress != nil && !r.plan.Progress(point) && !w.stopped {
		w.stopped = true
		w.cancel()
	}
}

// stage turns the index of a phase into that of a stage.
func (r *run) stage(phase int) int {
	if r.phases[0].warmUp {
		return phase - 1
	}
	return phase
}

// milliseconds from microseconds.
func milliseconds(us int64) float64 { return float64(us) / 1000 }

// between yields the points of an interval on the run's clock that lie in it
// as a whole.
func (w *watch) between(start, end time.Duration) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		last := 0.0
		for _, p := range w.points {
			began := last
			last = p.Seconds
			if began >= start.Seconds()-0.1 && p.Seconds <= end.Seconds()+0.1 && !yield(p) {
				return
			}
		}
	}
}
