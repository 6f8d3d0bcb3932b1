package query

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// guarded calls fn and makes a panic an error: no question may end the process
// for all others. The HTTP server's own guard reaches only its goroutines.
func guarded[T any](fn func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("recovered from a panic", "panic", p, "stack", string(debug.Stack()))
			err = &Error{Part: PartRuntime, Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	return fn()
}

// pending is a value that another goroutine works on.
type pending[T any] chan outcome[T]

type outcome[T any] struct {
	value T
	err   error
}

// start calls fn on a goroutine of its own, which ends when fn does even if
// nobody waits for the value.
func start[T any](fn func() (T, error)) pending[T] {
	p := make(pending[T], 1)
	go func() {
		value, err := guarded(fn)
		p <- outcome[T]{value, err}
	}()
	return p
}

// wait returns what fn returned. It may be called once.
func (p pending[T]) wait() (T, error) {
	o := <-p
	return o.value, o.err
}
