// Package reload reads files that change while the process runs: mounted
// Secrets and ConfigMaps, which Kubernetes replaces by swapping a symbolic link.
// It needs no goroutine and no inotify: whoever uses a value looks, at most once
// a second, whether the file is still the same.
package reload

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// checkInterval is how often a file is looked at: much less than the minute that
// the kubelet takes to update a mounted Secret.
const checkInterval = time.Second

// File is a parsed file that follows changes. Make one with [Open].
type File[T any] struct {
	path  string
	parse func([]byte) (T, error)

	current atomic.Pointer[T]
	next    atomic.Int64 // when to look again, in Unix nanoseconds

	mu   sync.Mutex // held by whoever looks
	data []byte
	bad  []byte // the newest content that did not parse, so that it is logged once
}

// Open reads and parses the file. Parse must not keep its argument.
func Open[T any](path string, parse func([]byte) (T, error)) (*File[T], error) {
	f := &File[T]{path: path, parse: parse}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	value, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.data = data
	f.current.Store(&value)
	f.next.Store(time.Now().Add(checkInterval).UnixNano())
	return f, nil
}

// OpenSecret reads a file that holds one secret; white space around it, such as
// the newline an editor leaves, is not part of it.
func OpenSecret(path string) (*File[string], error) {
	return Open(path, func(data []byte) (string, error) {
		secret := string(bytes.TrimSpace(data))
		if secret == "" {
			return "", fmt.Errorf("is empty")
		}
		return secret, nil
	})
}

// Get returns the value of the file's newest content that could be read and
// parsed. A file that went missing or does not parse is logged once, and the
// last good value stays.
func (f *File[T]) Get() T {
	if now := time.Now(); now.UnixNano() >= f.next.Load() && f.mu.TryLock() {
		f.look(now)
		f.mu.Unlock()
	}
	return *f.current.Load()
}

// look reads the file again. The caller holds mu.
func (f *File[T]) look(now time.Time) {
	f.next.Store(now.Add(checkInterval).UnixNano())
	data, err := os.ReadFile(f.path)
	if err == nil && bytes.Equal(data, f.data) {
		f.bad = nil
		return
	}
	var value T
	if err == nil {
		value, err = f.parse(data)
	}
	if err != nil {
		if f.bad == nil || !bytes.Equal(f.bad, data) {
			slog.Warn("a file changed and cannot be used; the last good content stays", "file", f.path, "error", err)
			f.bad = append([]byte{}, data...)
		}
		return
	}
	f.data, f.bad = data, nil
	f.current.Store(&value)
	slog.Info("a file changed and was read again", "file", f.path)
}
