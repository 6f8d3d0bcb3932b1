package gcpace

import (
	"runtime"
	"runtime/debug"
	"testing"
)

const mb = 1 << 20

var pace = Pace{Floor: 32 * mb, Percent: 100}

func TestNext(t *testing.T) {
	tests := []struct{ percent, live, want int }{
		{100, 0, 3200}, // a heap that is not known yet
		{100, 4 * mb, 700},
		{100, 5 * mb, 540},
		{100, 10 * mb, 220},
		{100, 16 * mb, 100},
		{100, 64 * mb, 100},
		{100, 500 * mb, 100},
		{35, 16 * mb, 100},
		{35, 22 * mb, 40},
		{35, 24 * mb, 35},
		{35, 500 * mb, 35},
	}
	for _, tt := range tests {
		p := Pace{Floor: 32 * mb, Percent: tt.percent}
		if got := p.next(tt.live); got != tt.want {
			t.Errorf("%d bytes alive: got %d %%, want %d %%", tt.live, got, tt.want)
		}
	}
}

// sink keeps the compiler from leaving out garbage.
var sink []byte

// TestSmallHeapIsLeftAlone makes garbage, first with little alive and then with much.
func TestSmallHeapIsLeftAlone(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	collections := func(garbage int) uint32 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		began := stats.NumGC
		for range garbage / mb * 16 {
			sink = make([]byte, mb/16)
		}
		runtime.ReadMemStats(&stats)
		return stats.NumGC - began
	}
	usual := collections(1000 * mb)
	pace.keep(t.Context())
	runtime.GC()
	collections(100 * mb) // lets the cleanup run
	if got := collections(1000 * mb); got < 1 || got > usual/3 {
		t.Errorf("%d collections with next to nothing alive, want 1,000 MB / 32 MB of them or a few more; %d without", got, usual)
	}
	alive := make([]byte, 200*mb)
	runtime.GC()
	collections(500 * mb)
	if got := collections(1000 * mb); got < 2 || got > 8 {
		t.Errorf("%d collections with 200 MB alive, want one for each 200 MB", got)
	}
	runtime.KeepAlive(alive)
}
