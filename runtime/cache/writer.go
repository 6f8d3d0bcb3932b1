package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/redisconn"
)

// writeBatch is the most writes sent in one round trip.
const writeBatch = 64

// write adds what it wants written to a pipeline, and returns the command whose
// failure counts as a lost write.
type write func(context.Context, redis.Pipeliner) redis.Cmder

// writer puts values into Redis behind the answers they belong to. Its queue is
// bounded and never waited for: what does not fit, or cannot be written, is
// dropped and counted. A lost write costs one more miss, nothing else.
type writer struct {
	conn    *redisconn.Conn
	queue   chan write
	metrics *metrics
	done    chan struct{}

	mu     sync.RWMutex // held for writing by close, so that nobody sends after it
	closed bool
	cancel context.CancelFunc
}

func newWriter(conn *redisconn.Conn, size int, m *metrics) *writer {
	ctx, cancel := context.WithCancel(context.Background())
	w := &writer{
		conn: conn, queue: make(chan write, size), metrics: m, done: make(chan struct{}), cancel: cancel,
	}
	go w.run(ctx)
	return w
}

func (w *writer) enqueue(item write) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		w.metrics.dropped(dropClosed, 1)
		return
	}
	select {
	case w.queue <- item:
	default:
		w.metrics.dropped(dropQueueFull, 1)
	}
}

// close takes no more and writes what is queued until ctx ends.
func (w *writer) close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	defer w.cancel()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		w.cancel()
		<-w.done
		return fmt.Errorf("answers were still queued for Redis: %w", ctx.Err())
	}
}

func (w *writer) run(ctx context.Context) {
	defer close(w.done)
	batch := make([]write, 0, writeBatch)
	for item := range w.queue {
		batch = append(batch[:0], item)
		for len(batch) < writeBatch && len(w.queue) > 0 {
			item, ok := <-w.queue
			if !ok {
				break
			}
			batch = append(batch, item)
		}
		w.flush(ctx, batch)
		clear(batch) // the values are not to live on in the batch
	}
}

// flush writes a batch in one round trip, and counts each write that failed.
func (w *writer) flush(ctx context.Context, batch []write) {
	var commands []redis.Cmder
	err := w.conn.Background(ctx, func(ctx context.Context) error {
		_, err := w.conn.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, item := range batch {
				commands = append(commands, item(ctx, p))
			}
			return nil
		})
		return err
	})
	if err == nil {
		return
	}
	if len(commands) == 0 { // never sent
		w.metrics.dropped(dropReason(err), len(batch))
		return
	}
	for _, command := range commands {
		if err := command.Err(); err != nil {
			w.metrics.dropped(dropReason(err), 1)
		}
	}
}

// Why an answer is not written: the values of a metric's label.
const (
	dropClosed      = "closed"
	dropQueueFull   = "queue_full"
	dropOutOfMemory = "out_of_memory"
	dropUnavailable = "unavailable"
	dropRefused     = "refused"
	dropFailed      = "failed"
)

var dropReasons = []string{dropClosed, dropQueueFull, dropOutOfMemory, dropUnavailable, dropRefused, dropFailed}

// dropReason is one of a bounded set, for a metric's label.
func dropReason(err error) string {
	switch _, refused := errors.AsType[redis.Error](err); {
	case redis.IsOOMError(err):
		return dropOutOfMemory
	case errors.Is(err, redisconn.ErrUnavailable):
		return dropUnavailable
	case refused:
		return dropRefused
	default:
		return dropFailed
	}
}
