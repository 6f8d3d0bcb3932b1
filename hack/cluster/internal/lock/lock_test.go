package lock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("a second holder gets %v, want %v", err, ErrHeld)
	}
	unlock()
	unlock, err = Try(path)
	if err != nil {
		t.Fatalf("after its release: %v", err)
	}
	unlock()
}

func TestWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Wait(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for what is held ends with %v, want the context's error", err)
	}
	time.AfterFunc(50*time.Millisecond, unlock)
	unlock, err = Wait(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
