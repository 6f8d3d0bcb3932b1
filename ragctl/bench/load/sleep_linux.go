package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps for a short while. The runtime's own timers wake up to a
// millisecond late when the process is idle (epoll counts in milliseconds), which
// would be blamed on the target.
func nap(d time.Duration) {
	ts := unix.NsecToTimespec(d.Nanoseconds())
	// An interrupted nap ends early; the caller looks at the clock again.
	_ = unix.Nanosleep(&ts, nil)
}
