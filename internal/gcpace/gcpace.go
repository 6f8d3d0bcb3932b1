// Package gcpace decides when the garbage collector runs. It decides nothing else:
// the memory limit of the process (GOMEMLIMIT) stands above it.
//
// Go collects when the heap has grown by a percentage of what is alive. A process
// with a few megabytes alive that makes hundreds of megabytes of garbage each second
// is collected a dozen times a second, to save memory that its pod has anyway.
package gcpace

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Pace is when to collect.
type Pace struct {
	// Floor is the size of the heap, in bytes, below which nothing is collected.
	Floor int
	// Percent is how far a heap above the floor grows over what is alive; Go's default
	// is 100.
	Percent int
}

// Keep paces the collector until ctx ends. Where GOGC is in the environment somebody
// has decided already, and it does nothing.
func (p Pace) Keep(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		p.keep(ctx)
	}
}

func (p Pace) keep(ctx context.Context) {
	k := &keeper{pace: p, ctx: ctx, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	k.collected(0)
}

type keeper struct {
	pace    Pace
	ctx     context.Context
	current int // the percentage that is set
	live    []metrics.Sample
}

// collected sets the percentage that leads to the floor, and comes again after the
// next collection, which is when the object is found to be of no use to anybody.
func (k *keeper) collected(int) {
	if k.ctx.Err() != nil {
		return
	}
	metrics.Read(k.live)
	if next := k.pace.next(int(k.live[0].Value.Uint64())); next != k.current {
		debug.SetGCPercent(next)
		k.current = next
	}
	runtime.AddCleanup(new([]byte), k.collected, 0)
}

// next is the percentage by which a heap with so many bytes alive grows to the
// floor, in steps, since each change stops the process for a moment; Percent for a
// heap that would be above it.
func (p Pace) next(live int) int {
	const step = 10
	toFloor := 100 * (p.Floor - live) / max(live, 1<<20)
	return max(p.Percent, toFloor/step*step)
}
