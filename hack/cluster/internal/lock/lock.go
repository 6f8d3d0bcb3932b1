// Package lock keeps two processes from doing the same thing at the same time.
// The lock is the kernel's, on an open file: it ends with its holder, however
// that ends.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrHeld means that another process has the lock.
var ErrHeld = errors.New("another process holds the lock")

const retryEvery = 200 * time.Millisecond

// Try takes the lock on path, or returns ErrHeld at once.
func Try(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return func() { file.Close() }, nil
	}
	file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w on %s", ErrHeld, path)
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// Wait takes the lock on path, however long its holder keeps it, or returns the
// context's error.
func Wait(ctx context.Context, path string) (unlock func(), err error) {
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		unlock, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
