package server

import "time"

// A queue that takes up a burst is a good one: it drains. One that does not is load
// beyond what can be done, and only makes everybody wait. What tells them apart is
// the least wait over some time, as in CoDel (RFC 8289, section 3): with the
// shortest above the target, none has met an empty queue.
const (
	// waitTarget is what a query may wait in a queue that stands. It bounds what
	// overload adds to an answer, and is long for a queue of work that takes a
	// fraction of a millisecond each.
	waitTarget = 100 * time.Millisecond
	// waitInterval is how long the queue must not have drained. RFC 8289 wants the
	// time in which what was let in comes back; here that is an answer's, a few
	// seconds with most models. Thousands of queries at once are work for less.
	waitInterval = 3 * time.Second
)

// standing tells whether a queue stands: every wait was waitTarget or longer for
// waitInterval. It does until every wait has been shorter for as long. The zero
// value is a queue that drains.
type standing struct {
	is bool
	// since is when the first of those waits ended that all say otherwise than is,
	// and last when the last one did. Since is zero where there is none.
	since, last time.Time
}

// observe takes in that a query has waited since it arrived, and tells whether that
// was too long.
func (s *standing) observe(now, arrived time.Time) (long bool) {
	long = now.Sub(arrived) >= waitTarget
	switch {
	case long == s.is:
		s.since = time.Time{}
	case s.since.IsZero() || now.Sub(s.last) > waitInterval: // which says nothing of the time in between
		s.since = now
	case now.Sub(s.since) >= waitInterval:
		s.is, s.since = long, time.Time{}
	}
	s.last = now
	return long
}
