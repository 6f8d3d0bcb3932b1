package cache

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/redisconn"
)

const (
	// semanticBytes bounds the vectors of all partitions in this process. Beyond
	// it the partition that was asked longest ago is forgotten; Redis still has
	// it.
	semanticBytes = 64 << 20
	// catchUpInterval is how old a replica's view of a partition that is asked
	// may be before it reads what others have added.
	catchUpInterval = time.Second
	// catchUpPage is how many entries are read at once.
	catchUpPage = 256
	// catchUpsAtOnce bounds the partitions that are read side by side, and so
	// the connections it may take.
	catchUpsAtOnce = 2
)

// semanticTier finds answers to questions that mean the same. It is partitioned
// twice: vectors are searched only among those of the caller's partition, and
// what is found is then looked up under a key of the caller's partition.
type semanticTier struct {
	cache  *Cache
	cancel context.CancelFunc
	ctx    context.Context // ends what runs behind look-ups when the cache closes
	wg     sync.WaitGroup
	slots  chan struct{}

	mu    sync.Mutex
	views map[viewID]*view
	bytes int // of all views
	limit int
}

// viewID is what may share answers: who asks, and for what form of answer.
type viewID struct {
	partition string
	space     [8]byte
}

// view is what this replica knows of one partition and space.
type view struct {
	id         viewID
	slab       *slab
	last       string       // the newest entry of the stream that was read
	caughtUp   atomic.Int64 // when reading last began, Unix nanoseconds
	used       int64        // likewise when it was last asked; semanticTier.mu
	bytes      int          // semanticTier.mu
	catchingUp atomic.Bool
}

func newSemanticTier(c *Cache) *semanticTier {
	ctx, cancel := context.WithCancel(context.Background())
	return &semanticTier{
		cache: c, ctx: ctx, cancel: cancel,
		slots: make(chan struct{}, catchUpsAtOnce), views: map[viewID]*view{}, limit: semanticBytes,
	}
}

func (t *semanticTier) close() {
	t.cancel()
	t.wg.Wait()
}

// Semantic looks for a fresh answer to a question that means the same as the
// key's, in the caller's partition, among answers of the same representation and
// options. Vector is the question's embedding; threshold is a cosine similarity
// that may raise the configured one and never lower it.
//
// The body is that of the other question: the caller has to put its own question
// in where the representation repeats it, and must not store it under its own
// key, or answers would drift from question to question.
func (c *Cache) Semantic(ctx context.Context, k Key, vector []float32, threshold float64) (Hit, bool) {
	if c.semantic == nil || !k.Cacheable() {
		return Hit{}, false
	}
	q, ok := quantise(vector)
	if !ok {
		return Hit{}, false
	}
	if least := c.cfg.Load().Semantic.Threshold; !(threshold > least) { // NaN raises nothing
		threshold = least
	}
	v := c.semantic.view(k, len(q))
	c.semantic.catchUp(k, v)
	for _, found := range v.slab.search(q, threshold, time.Now().Add(-c.cfg.Load().TTL)) {
		if found.question != k.question && !sameMeaning(found.question, k.question) {
			c.metrics.guarded.Inc()
			continue
		}
		other := k
		other.id, other.question, other.moment = found.id, found.question, c.log.Load().now()
		if hit, ok := c.resolve(ctx, other); ok {
			c.metrics.semantic.count(hit)
			return hit, true
		}
	}
	c.metrics.semantic.miss.Inc()
	return Hit{}, false
}

// resolve gets the fresh answer that an entry points to.
func (c *Cache) resolve(ctx context.Context, k Key) (Hit, bool) {
	if e, ok := c.localEntry(k); ok {
		hit, ok := c.hit(e, TierSemantic)
		return hit, ok && !hit.Stale
	}
	if c.conn == nil {
		return Hit{}, false
	}
	e, expires, err := c.fetch(ctx, k)
	if err != nil {
		if !errors.Is(err, redis.Nil) && !errors.Is(err, redisconn.ErrUnavailable) {
			c.metrics.semantic.failed.Inc()
		}
		return Hit{}, false
	}
	hit, ok := c.hit(e, TierSemantic)
	if !ok || hit.Stale {
		return Hit{}, false
	}
	c.putLocal(k, e, expires)
	return hit, true
}

// view returns what is known for the key, new if nothing is.
func (t *semanticTier) view(k Key, dims int) *view {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := viewID{k.partition, k.space}
	v := t.views[id]
	if v == nil {
		limit := min(t.cache.cfg.Load().Semantic.MaxEntries, max(t.limit/(dims+slabEntryBytes), 1))
		v = &view{id: id, slab: newSlab(dims, limit), last: "0", bytes: int(unsafe.Sizeof(view{}) + unsafe.Sizeof(slab{}))}
		t.views[id] = v
		t.bytes += v.bytes
	}
	v.used = time.Now().UnixNano()
	return v
}

// grow counts what a view took, and forgets others until all fit again.
func (t *semanticTier) grow(v *view, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.views[v.id] != v { // forgotten meanwhile
		return
	}
	v.bytes += bytes
	t.bytes += bytes
	if t.bytes <= t.limit {
		return
	}
	oldest := slices.SortedFunc(maps.Values(t.views), func(a, b *view) int { return cmp.Compare(a.used, b.used) })
	for _, other := range oldest {
		if t.bytes <= t.limit {
			return
		}
		if other != v {
			delete(t.views, other.id)
			t.bytes -= other.bytes
		}
	}
}

func (t *semanticTier) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// add makes a stored answer findable by meaning, here and in other replicas.
func (t *semanticTier) add(k Key, vector []float32, stored time.Time) {
	q, ok := quantise(vector)
	if !ok {
		return
	}
	v := t.view(k, len(q))
	ref := semanticRef{id: k.id, question: k.question, stored: stored}
	t.grow(v, v.slab.add(ref, q))
	if t.cache.writer != nil {
		t.cache.writer.enqueue(t.write(k, ref, q))
	}
}

// streamKey is the stream of a partition and space. The part in braces puts all
// streams of a partition on one node of a cluster.
func (t *semanticTier) streamKey(k Key) string {
	sum := sha256.Sum256(appendFields(nil, t.cache.epoch, string(k.space[:])))
	return keyPrefix + "semantic:{" + k.partition + "}:" + hex.EncodeToString(sum[:16])
}

func (t *semanticTier) write(k Key, ref semanticRef, q []int8) write {
	key, ttl := t.streamKey(k), t.cache.cfg.Load().TTL
	args := &redis.XAddArgs{
		Stream: key, MaxLen: int64(t.cache.cfg.Load().Semantic.MaxEntries), Approx: true,
		Values: []any{
			"id", ref.id[:], "question", ref.question,
			"stored", strconv.FormatInt(ref.stored.UnixNano(), 10), "vector", asBytes(q),
		},
	}
	return func(ctx context.Context, p redis.Pipeliner) redis.Cmder {
		added := p.XAdd(ctx, args)
		p.PExpire(ctx, key, ttl)
		return added
	}
}

// catchUp reads, behind the look-up, what other replicas have added.
func (t *semanticTier) catchUp(k Key, v *view) {
	now := time.Now()
	if t.cache.conn == nil || now.UnixNano()-v.caughtUp.Load() < int64(catchUpInterval) ||
		!v.catchingUp.CompareAndSwap(false, true) {
		return
	}
	select {
	case t.slots <- struct{}{}:
	default: // others are reading; the next look-up tries again
		v.catchingUp.Store(false)
		return
	}
	v.caughtUp.Store(now.UnixNano())
	t.wg.Go(func() {
		defer func() {
			v.catchingUp.Store(false)
			<-t.slots
		}()
		for t.readPage(t.streamKey(k), v) {
		}
	})
}

// readPage takes the next entries in, and tells whether there may be more.
func (t *semanticTier) readPage(key string, v *view) bool {
	var messages []redis.XMessage
	err := t.cache.conn.Background(t.ctx, func(ctx context.Context) (err error) {
		messages, err = t.cache.conn.Client.XRangeN(ctx, key, "("+v.last, "+", catchUpPage).Result()
		return err
	})
	if err != nil {
		return false
	}
	grown := 0
	oldest := time.Now().Add(-t.cache.cfg.Load().TTL)
	for _, m := range messages {
		v.last = m.ID
		if ref, q, ok := parseRef(m.Values); ok && ref.stored.After(oldest) {
			grown += v.slab.add(ref, q)
		}
	}
	t.grow(v, grown)
	return len(messages) == catchUpPage
}

// parseRef reads an entry of the stream; false for anything else.
func parseRef(values map[string]any) (semanticRef, []int8, bool) {
	id, _ := values["id"].(string)
	question, _ := values["question"].(string)
	stored, _ := values["stored"].(string)
	vector, _ := values["vector"].(string)
	nanos, err := strconv.ParseInt(stored, 10, 64)
	if len(id) != sha256.Size || err != nil || vector == "" {
		return semanticRef{}, nil, false
	}
	ref := semanticRef{question: question, stored: time.Unix(0, nanos)}
	copy(ref.id[:], id)
	q := make([]int8, len(vector))
	for i := range q {
		q[i] = int8(vector[i])
	}
	return ref, q, true
}

func asBytes(q []int8) []byte {
	b := make([]byte, len(q))
	for i, x := range q {
		b[i] = byte(x)
	}
	return b
}
