package cache

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// entryOverhead is what an entry takes beside its texts: the struct, its node and
// its place in the table. Measured, rounded up.
const entryOverhead = 256

// localEntry is an answer in the memory of this process.
type localEntry struct {
	Entry
	expires   time.Time
	partition string
	question  string
	// checked is the version of the invalidation log that the entry has passed,
	// so that a hit compares one number.
	checked atomic.Uint64
}

// localTier is bounded by bytes and shared by all partitions; keys carry theirs.
type localTier struct {
	entries *otter.Cache[[32]byte, *localEntry]
}

func newLocalTier(maxBytes int64) *localTier {
	return &localTier{otter.Must(&otter.Options[[32]byte, *localEntry]{
		MaximumWeight: uint64(maxBytes),
		Weigher: func(_ [32]byte, e *localEntry) uint32 {
			return uint32(min(cap(e.Body)+len(e.partition)+len(e.question)+entryOverhead, 1<<32-1))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[[32]byte, *localEntry]) time.Duration {
			return time.Until(e.Value.expires)
		}),
	})}
}

func (l *localTier) close() { l.entries.StopAllGoroutines() }

// Local looks in the memory of this process. It neither waits nor allocates.
func (c *Cache) Local(k Key) (Hit, bool) {
	if c.local == nil || !k.Cacheable() {
		return Hit{}, false
	}
	if e, ok := c.localEntry(k); ok {
		if hit, ok := c.hit(e, TierLocal); ok {
			c.metrics.local.count(hit)
			return hit, true
		}
	}
	c.metrics.local.miss.Inc()
	return Hit{}, false
}

// localEntry returns what this process holds for the key, if it is still good.
func (c *Cache) localEntry(k Key) (Entry, bool) {
	if c.local == nil {
		return Entry{}, false
	}
	e, ok := c.local.entries.GetIfPresent(k.id)
	if !ok || e.partition != k.partition || !c.passes(e) {
		return Entry{}, false
	}
	return e.Entry, true
}

// passes tells whether no invalidation met the entry since it was last checked.
func (c *Cache) passes(e *localEntry) bool {
	log := c.log.Load()
	checked := e.checked.Load()
	if checked == log.version {
		return true
	}
	if !log.allowsSince(checked, e.partition, e.question) {
		return false
	}
	e.checked.Store(log.version)
	return true
}

// putLocal keeps an answer in this process until it expires.
func (c *Cache) putLocal(k Key, e Entry, expires time.Time) {
	if c.local == nil || !expires.After(time.Now()) {
		return
	}
	entry := &localEntry{Entry: e, expires: expires, partition: k.partition, question: k.question}
	entry.checked.Store(k.moment.version)
	c.local.entries.Set(k.id, entry)
}
