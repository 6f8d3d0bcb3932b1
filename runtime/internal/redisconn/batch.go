package redisconn

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// maxBatches is how many batches of look-ups may be on their way at once. More
	// than one keeps a slow reply from holding up all others; few of them make
	// batches large when it matters, for each costs two system calls however much
	// is in it.
	maxBatches = 4
	// maxBatch is the most look-ups in one batch, so that none waits for too many
	// replies before its own.
	maxBatch = 64
)

// batcher sends the commands of queries that ask at the same time in common round
// trips. Who comes while few are on their way sends its own at once; the others
// wait for the next batch, not for a connection each.
type batcher struct {
	conn *Conn
	max  int // batches at once

	mu      sync.Mutex
	waiting []*lookUp
	running int
}

// lookUp is the commands of one query.
type lookUp struct {
	commands []redis.Cmder
	done     chan error // buffered: nobody waits for who has left
}

// ask runs the commands within the limit. An error of Redis' own, such as
// [redis.Nil], is in the command that got it; the error returned says that there
// is no reply.
func (b *batcher) ask(ctx context.Context, limit time.Duration, commands []redis.Cmder) error {
	b.mu.Lock()
	if b.running < b.max {
		b.running++
		b.mu.Unlock()
		defer b.next()
		return b.conn.run(ctx, limit, func(ctx context.Context) error { return b.send(ctx, commands) })
	}
	l := &lookUp{commands: commands, done: make(chan error, 1)}
	b.waiting = append(b.waiting, l)
	b.mu.Unlock()

	timer := timers.Get().(*time.Timer)
	timer.Reset(limit)
	defer func() {
		timer.Stop()
		timers.Put(timer)
	}()
	select {
	case err := <-l.done:
		return err
	case <-timer.C:
		return b.leave(l, context.DeadlineExceeded)
	case <-ctx.Done():
		return b.leave(l, ctx.Err())
	}
}

// timers are stopped.
var timers = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}}

// leave takes back commands that nobody has sent: that there was no turn for them
// in time says nothing of Redis. Those that were sent belong to their batch, and
// must not be looked at.
func (b *batcher) leave(l *lookUp, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, l); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
		return ErrBusy
	}
	return err
}

// next gives up a place, or has those who wait sent in it.
func (b *batcher) next() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running--
		return
	}
	go b.drain(b.take())
}

// take removes the next batch from those that wait; the caller holds mu.
func (b *batcher) take() []*lookUp {
	n := min(len(b.waiting), maxBatch)
	batch := slices.Clone(b.waiting[:n])
	b.waiting = slices.Delete(b.waiting, 0, n)
	return batch
}

// drain sends batches until nobody waits.
func (b *batcher) drain(batch []*lookUp) {
	var commands []redis.Cmder
	for {
		clear(commands)
		commands = commands[:0]
		for _, l := range batch {
			commands = append(commands, l.commands...)
		}
		err := ErrUnavailable
		if b.conn.Available() { // which it may have ceased to be while they waited
			err = b.conn.run(context.Background(), b.conn.budget, func(ctx context.Context) error { return b.send(ctx, commands) })
		}
		for _, l := range batch {
			l.done <- err
		}
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.running--
			b.mu.Unlock()
			return
		}
		batch = b.take()
		b.mu.Unlock()
	}
}

// send is one round trip. Its error is one that says that Redis cannot be used, if
// any command got such a one.
func (b *batcher) send(ctx context.Context, commands []redis.Cmder) error {
	if len(commands) == 1 {
		// The error is the command's too.
		_ = b.conn.Client.Process(ctx, commands[0])
	} else {
		pipeline := b.conn.Client.Pipeline()
		_ = pipeline.BatchProcess(ctx, commands...) // never fails
		_, _ = pipeline.Exec(ctx)                   // likewise in the commands
	}
	for _, command := range commands {
		if err := command.Err(); isFailure(err) {
			return err
		}
	}
	return nil
}
