package embed

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/maypok86/otter/v2"
)

// cached keeps the vectors of questions.
type cached struct {
	Embedder
	vectors *otter.Cache[string, []float32]

	mu      sync.Mutex
	flights map[string]*flight
}

// flight is a call that is under way and all who wait for it.
type flight struct {
	text    string
	done    chan struct{} // closed when vector and err are set
	vector  []float32
	err     error
	waiters int
	cancel  context.CancelFunc
}

var _ Embedder = (*cached)(nil)

// Cached keeps the vectors of that many questions and asks once where several
// callers bring the same question at a time. The call is cancelled when the last
// of them has gone, not the first. Several texts at once are documents on their
// way to a store, and pass by. Lexical is returned as it is: making its vectors
// costs no more than keeping them.
func Cached(e Embedder, entries int) Embedder {
	if _, ok := e.(Lexical); ok || entries <= 0 {
		return e
	}
	return &cached{
		Embedder: e,
		vectors:  otter.Must(&otter.Options[string, []float32]{MaximumSize: entries}),
		flights:  map[string]*flight{},
	}
}

// Dimensions is what [Dimensions] returns.
func (c *cached) Dimensions() int { return Dimensions(c.Embedder) }

func (c *cached) forDocuments() Embedder { return Documents(c.Embedder) }

// Embed implements [Embedder].
func (c *cached) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	if len(texts) != 1 {
		return c.Embedder.Embed(ctx, texts)
	}
	vector, ok := c.vectors.GetIfPresent(texts[0])
	if !ok {
		var err error
		if vector, err = c.ask(ctx, texts[0]); err != nil {
			return nil, err
		}
	}
	return [][]float32{slices.Clone(vector)}, nil
}

// ask gets one vector, from a call that is under way where there is one.
func (c *cached) ask(ctx context.Context, text string) ([]float32, error) {
	f, call := c.join(ctx, text)
	if call != nil {
		c.lead(ctx, call, f)
		return f.vector, cmp.Or(ctx.Err(), f.err)
	}
	select {
	case <-f.done:
		return f.vector, f.err
	case <-ctx.Done():
		c.leave(f)
		return nil, ctx.Err()
	}
}

// join returns the flight of the text. Where there is none it makes one, and the
// caller must make the call, with the context that comes with it.
func (c *cached) join(ctx context.Context, text string) (f *flight, call context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[text]; f != nil {
		f.waiters++
		return f, nil
	}
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f = &flight{text: text, done: make(chan struct{}), waiters: 1, cancel: cancel, err: errNotAnswered}
	c.flights[text] = f
	return f, call
}

// errNotAnswered is what the others get where the call ended in a panic.
var errNotAnswered = errors.New("the call of the embedding model did not end as calls do")

// lead makes the call of a flight. Who goes away meanwhile leaves the flight, but
// stays until the call ends, which is at the latest after the embedding's timeout.
func (c *cached) lead(ctx, call context.Context, f *flight) {
	stay := context.AfterFunc(ctx, func() { c.leave(f) })
	defer func() {
		stay()
		f.cancel()
		c.mu.Lock()
		c.land(f)
		c.mu.Unlock()
		close(f.done)
	}()
	vectors, err := c.Embedder.Embed(call, []string{f.text})
	if f.err = err; err == nil {
		f.vector = vectors[0]
		c.vectors.Set(f.text, f.vector)
	}
}

// land takes the flight from the list; the caller holds mu. A flight that nobody
// waited for was taken off before, and may have a successor.
func (c *cached) land(f *flight) {
	if c.flights[f.text] == f {
		delete(c.flights, f.text)
	}
}

// leave cancels the flight where nobody waits for it any more. Who comes later
// starts another.
func (c *cached) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters--; f.waiters > 0 {
		return
	}
	f.cancel()
	c.land(f)
}
