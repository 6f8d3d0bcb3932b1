package reload

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFileFollowsChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "number")
	write := func(t *testing.T, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(data []byte) (int, error) { return strconv.Atoi(string(data)) }

	synctest.Test(t, func(t *testing.T) {
		write(t, "1")
		f, err := Open(path, parse)
		if err != nil {
			t.Fatal(err)
		}
		write(t, "2")
		if got := f.Get(); got != 1 {
			t.Errorf("before the interval: got %d, want the value read first", got)
		}
		time.Sleep(checkInterval) // the bubble's clock
		if got := f.Get(); got != 2 {
			t.Errorf("after the interval: got %d, want 2", got)
		}
		write(t, "garbage")
		time.Sleep(checkInterval)
		if got := f.Get(); got != 2 {
			t.Errorf("with content that does not parse: got %d, want the last good value", got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(checkInterval)
		if got := f.Get(); got != 2 {
			t.Errorf("with the file gone: got %d, want the last good value", got)
		}
		write(t, "3")
		time.Sleep(checkInterval)
		if got := f.Get(); got != 3 {
			t.Errorf("with good content again: got %d, want 3", got)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	if _, err := OpenSecret(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: got %v, want not exist", err)
	}
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSecret(path); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("blank file: got %v, want an error that says so", err)
	}
}
