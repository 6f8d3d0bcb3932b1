package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"ragops.dev/ragservice/runtime/reload"
)

const (
	// faqInterval is how often the file and Redis are looked at for changes.
	faqInterval = 250 * time.Millisecond
	// faqEmbedBatch is how many questions are embedded in one call.
	faqEmbedBatch = 64
	// faqEmbedTimeout bounds one such call, which nobody waits for.
	faqEmbedTimeout = 30 * time.Second
	// faqRetryLimit is the longest pause between attempts to embed.
	faqRetryLimit = time.Minute
)

// Errors of [Cache.PutFAQ].
var (
	ErrNoFAQ        = errors.New("no FAQ is configured")
	ErrFAQNotShared = errors.New("a FAQ can be changed only where there is a Redis for all replicas to share it by; change its file instead")
)

// EmbedFunc turns texts into vectors, one each.
type EmbedFunc func(ctx context.Context, texts []string) ([][]float32, error)

// Answer is a curated answer with the question it was written for.
type Answer struct{ Question, Answer string }

// faqTier holds curated answers: those of a file, and over them those that were
// put at run time and are shared through Redis. One goroutine follows both; a
// look-up reads a finished index.
type faqTier struct {
	cache   *Cache
	file    *reload.File[[]Pair]
	shared  *faqOverlay // nil without Redis
	embed   EmbedFunc
	index   atomic.Pointer[faqIndex]
	changed chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}
}

// faqIndex is never changed, save that its vectors come later.
type faqIndex struct {
	file, put []Pair // what it was made of
	exact     map[string]Answer
	questions []string // with aliases
	answers   []Answer // of the questions
	vectors   atomic.Pointer[slab]
}

func newFAQTier(c *Cache, path string, embed EmbedFunc, shared *faqOverlay) (*faqTier, error) {
	file, err := reload.Open(path, func(data []byte) ([]Pair, error) { return ParseFAQ(path, data) })
	if err != nil {
		return nil, fmt.Errorf("the FAQ: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &faqTier{
		cache: c, file: file, shared: shared, embed: embed,
		changed: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	t.index.Store(newFAQIndex(file.Get(), nil))
	go t.run(ctx)
	return t, nil
}

func (t *faqTier) close() {
	t.cancel()
	<-t.done
}

// newFAQIndex merges: where both have a question, the one put at run time counts.
func newFAQIndex(file, put []Pair) *faqIndex {
	x := &faqIndex{file: file, put: put, exact: map[string]Answer{}}
	for _, pairs := range [][]Pair{put, file} {
		for _, p := range pairs {
			for _, q := range append([]string{p.Question}, p.Aliases...) {
				normal := normalise(q)
				if _, taken := x.exact[normal]; taken {
					continue
				}
				a := Answer{Question: p.Question, Answer: p.Answer}
				x.exact[normal] = a
				x.questions, x.answers = append(x.questions, q), append(x.answers, a)
			}
		}
	}
	return x
}

func (t *faqTier) run(ctx context.Context) {
	defer close(t.done)
	var embedding sync.WaitGroup
	defer embedding.Wait()
	tick := time.NewTicker(faqInterval)
	defer tick.Stop()
	for {
		stale, cancel := context.WithCancel(ctx)
		index := t.index.Load()
		embedding.Go(func() { t.embedUntilDone(stale, index) })
		for !t.refresh(ctx) && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-tick.C:
			case <-t.changed:
			}
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
	}
}

// refresh takes changes in, and tells whether there were any.
func (t *faqTier) refresh(ctx context.Context) bool {
	index := t.index.Load()
	file, put := t.file.Get(), index.put
	if t.shared != nil {
		put = t.shared.sync(ctx)
	}
	if reflect.DeepEqual(file, index.file) && reflect.DeepEqual(put, index.put) {
		return false
	}
	index = newFAQIndex(file, put)
	t.index.Store(index)
	// An answer that this process holds must not outrank a curated one.
	t.cache.learn(func(l *invalidationLog) { l.distrustLocal() })
	slog.Info("the FAQ changed", "questions", len(index.questions))
	return true
}

// embedUntilDone embeds the index's questions, again and again until it works.
func (t *faqTier) embedUntilDone(ctx context.Context, index *faqIndex) {
	if t.embed == nil || len(index.questions) == 0 {
		return
	}
	for pause := time.Second; ; pause = min(2*pause, faqRetryLimit) {
		vectors, err := t.embedAll(ctx, index.questions)
		if err == nil {
			index.vectors.Store(vectors)
			return
		}
		if ctx.Err() == nil {
			slog.Warn("the FAQ's questions cannot be embedded; they match only word for word until they can", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// embedAll makes the vectors of all questions; the id in each is its place.
func (t *faqTier) embedAll(ctx context.Context, questions []string) (*slab, error) {
	var s *slab
	for from := 0; from < len(questions); from += faqEmbedBatch {
		batch := questions[from:min(from+faqEmbedBatch, len(questions))]
		bounded, cancel := context.WithTimeout(ctx, faqEmbedTimeout)
		vectors, err := t.embed(bounded, batch)
		cancel()
		if err != nil {
			return nil, err
		}
		if len(vectors) != len(batch) {
			return nil, fmt.Errorf("%d vectors came for %d questions", len(vectors), len(batch))
		}
		for i, v := range vectors {
			q, ok := quantise(v)
			if !ok {
				continue // a question without a direction is like no other
			}
			if s == nil {
				s = newSlab(len(q), len(questions))
			}
			ref := semanticRef{question: batch[i]}
			binary.BigEndian.PutUint64(ref.id[:], uint64(from+i))
			s.add(ref, q)
		}
	}
	if s == nil {
		return nil, errors.New("no question has a vector with a direction")
	}
	return s, nil
}

// FAQ returns the curated answer to the question, whatever its letter case,
// spaces and punctuation. Curated answers are for everybody: they are not
// partitioned.
func (c *Cache) FAQ(question string) (Answer, bool) {
	if c.faq == nil {
		return Answer{}, false
	}
	index := c.faq.index.Load()
	if len(index.exact) == 0 {
		return Answer{}, false
	}
	a, ok := index.exact[normalise(question)]
	c.metrics.faq.found(ok)
	return a, ok
}

// FAQSemantic returns the curated answer to a question that means the same.
// Vector is the question's embedding. The guard of the semantic tier applies.
func (c *Cache) FAQSemantic(question string, vector []float32) (Answer, bool) {
	if c.faq == nil {
		return Answer{}, false
	}
	index := c.faq.index.Load()
	vectors := index.vectors.Load()
	q, ok := quantise(vector)
	if vectors == nil || !ok {
		return Answer{}, false
	}
	for _, found := range vectors.search(q, c.cfg.Load().FAQ.Threshold, time.Time{}) {
		if sameMeaning(found.question, question) {
			c.metrics.faqSemantic.found(true)
			return index.answers[binary.BigEndian.Uint64(found.id[:])], true
		}
		c.metrics.guarded.Inc()
	}
	c.metrics.faqSemantic.found(false)
	return Answer{}, false
}

// PutFAQ replaces the curated answers that were put before; those of the file
// stay, save where a question is in both. It holds for all replicas, here at
// once and elsewhere within about a second. The answers live in Redis, and each
// replica puts them back if Redis comes back empty; they do not outlive both
// Redis and all replicas. What is meant to last belongs into the file.
//
// The pairs must come from [ParseFAQ].
func (c *Cache) PutFAQ(ctx context.Context, pairs []Pair) error {
	switch {
	case c.faq == nil:
		return ErrNoFAQ
	case c.faq.shared == nil:
		return ErrFAQNotShared
	}
	if err := c.faq.shared.put(ctx, pairs); err != nil {
		return fmt.Errorf("put the FAQ into Redis: %w", err)
	}
	select {
	case c.faq.changed <- struct{}{}:
	default: // a look is due already
	}
	return nil
}
