package upstream

import (
	"fmt"
	"strings"
	"time"
)

// Kind says what went wrong with a call.
type Kind string

// The kinds.
const (
	// KindUnavailable: no connection, a 5xx status, or the breaker is open.
	KindUnavailable Kind = "unavailable"
	// KindTimeout: no answer, or not all of it, in the time there was.
	KindTimeout Kind = "timeout"
	// KindRateLimited: status 429 or what the provider has in its place.
	KindRateLimited Kind = "rate_limited"
	// KindRejected: any other 4xx. Our request or configuration is wrong, and
	// sending it again changes nothing.
	KindRejected Kind = "rejected"
	// KindExhausted: this process has no port, no file or no memory left for a
	// connection. The server was not asked.
	KindExhausted Kind = "exhausted"
	// KindInvalidResponse: an answer that cannot be understood or is cut off.
	KindInvalidResponse Kind = "invalid_response"
)

// Error is a failed call of another server. Its text holds no secret and no URL.
type Error struct {
	// Upstream is the name given to [Registry.New].
	Upstream string
	Kind     Kind
	// Status is the HTTP status; 0 where there was none.
	Status int
	// RetryAfter is how long the server asks to be left alone; 0 if it did not.
	RetryAfter time.Duration
	// Partial says that part of the answer has reached the caller: neither a
	// retry nor a fallback may follow.
	Partial bool
	// Err is the cause.
	Err error

	final bool // another attempt is of no use, or there is no time for it
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Upstream, strings.ReplaceAll(string(e.Kind), "_", " "))
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// transient reports whether the same call may succeed a moment later.
func (e *Error) transient() bool { return e.Kind != KindRejected && !e.Partial && !e.final }

// broken reports whether the server, not the call, is at fault: what the breaker
// counts. A server that says "too many requests" is well.
func (e *Error) broken() bool { return e.Kind != KindRejected && e.Kind != KindRateLimited }
