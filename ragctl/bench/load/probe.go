package load

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// primeClients ask side by side: few enough for any target.
const primeClients = 8

// Probe asks one question ahead of a run, so that a wrong address or path is said
// at once and in words, not as ten thousand failures. It tries to open a
// connection within five seconds. A target that is overloaded passes: that is
// what a run measures.
func Probe(ctx context.Context, target Target, questions *Questions, timeout time.Duration) error {
	if err := target.Validate(); err != nil {
		return err
	}
	c := newConnection(&target, timeout, func(_, _ net.Conn) {})
	c.dialer.Timeout = 5 * time.Second
	defer c.close()
	got := c.ask(ctx, questions.picker(0, 0).encoded[0])
	if got.failure == nil {
		return nil
	}
	switch got.failure.Kind {
	case FailureShed, FailureServer:
		return nil
	case failureInterrupted:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s cannot be measured: %s", target.URL.Redacted(), got.failure)
}

// Prime asks every question of a set once, so that a run finds them in the
// target's cache. It stops at the first failure.
func Prime(ctx context.Context, target Target, questions *Questions, timeout time.Duration) error {
	if err := target.Validate(); err != nil {
		return err
	}
	var next atomic.Int64
	clients, ctx := errgroup.WithContext(ctx)
	for range primeClients {
		clients.Go(func() error {
			c := newConnection(&target, timeout, func(_, _ net.Conn) {})
			defer c.close()
			for i := next.Add(1) - 1; i < int64(questions.Len()) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if got := c.ask(ctx, questions.encoded[i]); got.failure != nil && got.failure.Kind != failureInterrupted {
					return fmt.Errorf("prime the cache of %s: %s", target.URL.Redacted(), got.failure)
				}
			}
			// Of the clients that another one's failure stopped, each names that failure.
			return context.Cause(ctx)
		})
	}
	return clients.Wait()
}
