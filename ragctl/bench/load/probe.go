package load

import (
	"context"
	"fmt"
	"net"
	"time"
)

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
	return fmt.Errorf("%s cannot be measured: %w", target.URL.Redacted(), got.failure)
}
