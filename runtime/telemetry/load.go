package telemetry

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

const (
	// loadWindow is how many seconds the load is of.
	loadWindow = 60
	// latencySteps buckets lie between a latency and its double, so that a bucket's
	// bound is at most 9 % above what it holds.
	latencySteps = 8
	// shortestLatency is the bound of the first bucket, in seconds; the last one's is
	// shortestLatency * 2^(latencyBucketCount/latencySteps), about 105 s.
	shortestLatency    = 100e-6
	latencyBucketCount = 20 * latencySteps
)

// load counts the queries of the last minute in one slot for each second. The
// counters are atomic; only the first query of a second takes the lock.
type load struct {
	started  time.Time
	inFlight atomic.Int64
	mu       sync.Mutex // held while a slot is taken over by a new second
	slots    [loadWindow + 1]slot
}

// slot is one second. Queries that end in the moment it is taken over may count
// to either second.
type slot struct {
	second    atomic.Int64 // since 1970; what the counters are of
	failed    atomic.Int64
	hits      atomic.Int64
	nanos     atomic.Int64
	latencies [latencyBucketCount]atomic.Int32
}

func newLoad(started time.Time) *load { return &load{started: started} }

func (l *load) answered(now time.Time, took time.Duration, hit bool) {
	s := l.slot(now)
	s.latencies[latencyBucket(took)].Add(1)
	s.nanos.Add(int64(took))
	if hit {
		s.hits.Add(1)
	}
}

func (l *load) failed(now time.Time) { l.slot(now).failed.Add(1) }

// slot returns the one of this second, emptied when it held an older one.
func (l *load) slot(now time.Time) *slot {
	second := now.Unix()
	s := &l.slots[second%int64(len(l.slots))]
	if s.second.Load() == second {
		return s
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.second.Load() == second {
		return s
	}
	s.failed.Store(0)
	s.hits.Store(0)
	s.nanos.Store(0)
	for i := range s.latencies {
		s.latencies[i].Store(0)
	}
	s.second.Store(second)
	return s
}

// read sums the whole seconds of the window up to the one before now: the
// present second is not over, so it would make every rate too low.
func (l *load) read(now time.Time) config.LoadStatus {
	var sum config.LoadStatus
	var nanos int64
	var counts [latencyBucketCount]int64
	for i := range l.slots {
		s := &l.slots[i]
		if age := now.Unix() - s.second.Load(); age < 1 || age > loadWindow {
			continue
		}
		sum.Queries += s.failed.Load()
		sum.Hits += s.hits.Load()
		nanos += s.nanos.Load()
		for b := range s.latencies {
			counts[b] += int64(s.latencies[b].Load())
		}
	}
	for b, count := range counts {
		if count > 0 {
			sum.Succeeded += count
			sum.Latencies = append(sum.Latencies, config.LatencyBucket{UpperSeconds: latencyBound(b), Count: count})
		}
	}
	sum.Queries += sum.Succeeded
	sum.WindowSeconds = float64(min(loadWindow, max(1, now.Unix()-l.started.Unix())))
	sum.QueriesPerSecond = float64(sum.Queries) / sum.WindowSeconds
	if sum.Succeeded > 0 {
		sum.MeanSeconds = time.Duration(nanos / sum.Succeeded).Seconds()
	}
	sum.QueriesInFlight = l.inFlight.Load()
	return config.MergeLoads(sum) // fills in the ratios and the p95
}

// Load returns the load of the last minute.
func (m *Metrics) Load() config.LoadStatus { return m.load.read(time.Now()) }

func latencyBucket(took time.Duration) int {
	bucket := math.Ceil(math.Log2(took.Seconds()/shortestLatency) * latencySteps)
	return int(min(max(bucket, 0), latencyBucketCount-1))
}

// latencyBound is a bucket's bound in seconds, rounded to four digits so that it
// is the same number in every replica and reads well.
func latencyBound(bucket int) float64 {
	bound := shortestLatency * math.Exp2(float64(bucket)/latencySteps)
	scale := math.Pow(10, 3-math.Floor(math.Log10(bound)))
	return math.Round(bound*scale) / scale
}
