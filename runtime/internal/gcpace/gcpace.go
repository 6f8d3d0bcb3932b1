// Package gcpace decides when the garbage collector runs. It decides nothing else:
// the memory limit of the process (GOMEMLIMIT) stands above it.
//
// A query runtime that mostly gives answers from its cache has a few megabytes
// alive and makes hundreds of megabytes of garbage each second. Go collects when
// the heap has doubled, and would do so a dozen times a second to save memory that
// the pod has anyway.
package gcpace

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// floor is the size of the heap, in bytes, below which nothing is collected: an
	// eighth of the memory that a RAGService requests by default. Twice as much gives
	// no more answers.
	floor = 32 << 20
	// percent is how far a heap above the floor grows over what is alive: Go's default.
	// With more, a full local cache would look like a reason for another replica to an
	// autoscaler that goes by memory.
	percent = 100
)

// Start paces the collector until ctx ends. Where GOGC is in the environment
// somebody has decided already, and it does nothing.
func Start(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		start(ctx)
	}
}

func start(ctx context.Context) {
	p := &pacer{ctx: ctx, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	p.collected(0)
}

type pacer struct {
	ctx     context.Context
	current int // the percentage that is set
	live    []metrics.Sample
}

// collected sets the percentage that leads to the floor, and comes again after the
// next collection, which is when the object is found to be of no use to anybody.
func (p *pacer) collected(int) {
	if p.ctx.Err() != nil {
		return
	}
	metrics.Read(p.live)
	if wanted := next(int(p.live[0].Value.Uint64())); wanted != p.current {
		debug.SetGCPercent(wanted)
		p.current = wanted
	}
	runtime.AddCleanup(new([]byte), p.collected, 0)
}

// next is the percentage by which a heap with so many bytes alive grows to the
// floor, in steps, since each change stops the process for a moment; percent for a
// heap that would be above it.
func next(live int) int {
	const step = 50
	toFloor := 100 * (floor - live) / max(live, 1<<20)
	return max(percent, toFloor/step*step)
}
