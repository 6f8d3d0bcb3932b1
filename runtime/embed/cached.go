package embed

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
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
		f := c.join(ctx, texts[0])
		select {
		case <-f.done:
		case <-ctx.Done():
			c.leave(f)
			return nil, ctx.Err()
		}
		if f.err != nil {
			return nil, f.err
		}
		vector = f.vector
	}
	return [][]float32{slices.Clone(vector)}, nil
}

// join returns the flight of the text, and starts one where there is none.
func (c *cached) join(ctx context.Context, text string) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[text]; f != nil {
		f.waiters++
		return f
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{text: text, done: make(chan struct{}), waiters: 1, cancel: cancel}
	c.flights[text] = f
	go c.fly(ctx, f)
	return f
}

func (c *cached) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	if f.vector, f.err = c.ask(ctx, f.text); f.err == nil {
		c.vectors.Set(f.text, f.vector)
	}
	c.mu.Lock()
	c.land(f)
	c.mu.Unlock()
	close(f.done)
}

// ask gets one vector. A panic becomes an error: this goroutine is nobody's, so no
// handler's guard would keep it from ending the process.
func (c *cached) ask(ctx context.Context, text string) (vector []float32, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("recovered from a panic", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	vectors, err := c.Embedder.Embed(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
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
