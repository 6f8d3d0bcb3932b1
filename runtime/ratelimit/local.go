package ratelimit

import (
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"
)

// localCallers bounds the callers remembered in this process. A caller that is
// forgotten starts afresh.
const localCallers = 65_536

// localCells is the algorithm within this process: for each caller, when it will
// be back at the rate.
type localCells struct {
	back *otter.Cache[[sha256.Size]byte, time.Time]
}

func newLocalCells() *localCells {
	return &localCells{otter.Must(&otter.Options[[sha256.Size]byte, time.Time]{
		MaximumSize:      localCallers,
		ExpiryCalculator: otter.ExpiryWriting[[sha256.Size]byte, time.Time](time.Minute),
	})}
}

func (c *localCells) close() { c.back.StopAllGoroutines() }

func (c *localCells) take(id [sha256.Size]byte, now time.Time, interval, burst time.Duration) (wait, ahead time.Duration) {
	c.back.Compute(id, func(back time.Time, found bool) (time.Time, otter.ComputeOp) {
		if !found || back.Before(now) {
			back = now
		}
		next := back.Add(interval)
		if wait = next.Add(-burst).Sub(now); wait > 0 {
			ahead = back.Sub(now)
			return back, otter.CancelOp
		}
		wait, ahead = 0, next.Sub(now)
		return next, otter.WriteOp
	})
	return wait, ahead
}
