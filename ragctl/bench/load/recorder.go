package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxRecorded bounds the histograms: the longest run and the longest timeout.
const maxRecorded = MaxDuration + MaxWarmUp + MaxTimeout

// histogram of durations in microseconds, right to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxRecorded.Microseconds(), 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Out of bounds cannot be: a latency is at most the run and one timeout.
	_ = h.RecordValue(max(1, min(d, maxRecorded).Microseconds()))
}

// outcome is one question as it is recorded.
type outcome struct {
	phase int
	// intended, sent and done are times on the run's clock.
	intended, sent, done time.Duration
	// firstToken is 0 where nothing was streamed.
	firstToken time.Duration
	answer
}

// counts is what is known of a phase.
type counts struct {
	answered    int64
	interrupted int64
	// arrived are the answers that came while the phase lasted, whichever phase
	// asked for them.
	arrived int64
	// firstDone is when the first answer arrived; 0 for none yet.
	firstDone time.Duration
	failures  map[FailureKind]int64
	examples  map[FailureKind]string
	cache     [cacheResults]int64
	bytes     int64
	// latency of answers from their intended start. A time-out counts with the
	// time waited: to leave it out would flatter a target that is too slow.
	// Other failures do not, since a quick refusal would flatter it too.
	latency, firstToken, lag *hdrhistogram.Histogram
}

func newCounts() *counts {
	return &counts{
		failures: map[FailureKind]int64{}, examples: map[FailureKind]string{},
		latency: newHistogram(), firstToken: newHistogram(), lag: newHistogram(),
	}
}

func (c *counts) add(o *outcome) {
	c.bytes += o.bytes
	record(c.lag, o.sent-o.intended)
	if f := o.failure; f != nil {
		if f.Kind == failureInterrupted {
			c.interrupted++
			return
		}
		c.failures[f.Kind]++
		if c.examples[f.Kind] == "" {
			c.examples[f.Kind] = f.Detail
		}
		if f.Kind == FailureTimeout {
			record(c.latency, o.done-o.intended)
		}
		return
	}
	c.answered++
	c.cache[o.cache]++
	record(c.latency, o.done-o.intended)
	if o.firstToken > 0 {
		record(c.firstToken, o.firstToken-o.intended)
	}
	if c.firstDone == 0 || o.done < c.firstDone {
		c.firstDone = o.done
	}
}

func (c *counts) merge(other *counts) {
	c.answered += other.answered
	c.interrupted += other.interrupted
	c.arrived += other.arrived
	c.bytes += other.bytes
	if c.firstDone == 0 || other.firstDone > 0 && other.firstDone < c.firstDone {
		c.firstDone = other.firstDone
	}
	for k, n := range other.failures {
		c.failures[k] += n
		if c.examples[k] == "" {
			c.examples[k] = other.examples[k]
		}
	}
	for i, n := range other.cache {
		c.cache[i] += n
	}
	c.latency.Merge(other.latency)
	c.firstToken.Merge(other.firstToken)
	c.lag.Merge(other.lag)
}

func (c *counts) failed() int64 {
	var sum int64
	for _, n := range c.failures {
		sum += n
	}
	return sum
}

// interval is what happened since the last look.
type interval struct {
	answered, failed, hits, misses int64
	latency                        *hdrhistogram.Histogram
}

func newInterval() *interval {
	return &interval{latency: hdrhistogram.New(1, maxRecorded.Microseconds(), 2)}
}

func (v *interval) merge(other *interval) {
	v.answered += other.answered
	v.failed += other.failed
	v.hits += other.hits
	v.misses += other.misses
	v.latency.Merge(other.latency)
}

// recorder keeps the counts in a few shards, so that the questions in flight
// rarely wait for one another to be recorded.
type recorder struct {
	phases []phase
	shards []*shard
}

type shard struct {
	mu       sync.Mutex
	phases   []*counts
	interval *interval
	spare    *interval
}

func newRecorder(phases []phase, shards int) *recorder {
	r := &recorder{phases: phases}
	for range shards {
		r.shards = append(r.shards, &shard{phases: make([]*counts, len(phases)), interval: newInterval(), spare: newInterval()})
	}
	return r
}

func (r *recorder) add(worker int, o *outcome) {
	s := r.shards[worker%len(r.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(o.phase).add(o)
	switch {
	case o.failure == nil:
		for i := o.phase; i < len(r.phases); i++ {
			if o.done <= r.phases[i].end {
				s.of(i).arrived++
				break
			}
		}
		s.interval.answered++
		record(s.interval.latency, o.done-o.intended)
		if o.cache == cacheMiss {
			s.interval.misses++
		} else if o.cache != cacheUnknown {
			s.interval.hits++
		}
	case o.failure.Kind != failureInterrupted:
		s.interval.failed++
	}
}

// of returns the counts of a phase. The shard is locked.
func (s *shard) of(phase int) *counts {
	if s.phases[phase] == nil {
		s.phases[phase] = newCounts()
	}
	return s.phases[phase]
}

// phase sums up a phase.
func (r *recorder) phase(i int) *counts {
	sum := newCounts()
	for _, s := range r.shards {
		s.mu.Lock()
		if s.phases[i] != nil {
			sum.merge(s.phases[i])
		}
		s.mu.Unlock()
	}
	return sum
}

// take returns what happened since it was last called.
func (r *recorder) take() *interval {
	sum := newInterval()
	for _, s := range r.shards {
		s.mu.Lock()
		full := s.interval
		s.interval = s.spare
		s.mu.Unlock()
		sum.merge(full)
		full.latency.Reset()
		*full = interval{latency: full.latency}
		s.spare = full
	}
	return sum
}
