package redisconn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/testredis"
)

func TestMain(m *testing.M) { testredis.VerifyTestMain(m) }

// patience is ample for a busy machine.
const patience = 10 * time.Second

func open(t *testing.T, address string, pool int, budget time.Duration) *Conn {
	t.Helper()
	c, err := Open(config.Redis{Mode: config.RedisStandalone, Addresses: []string{address}, PoolSize: pool}, budget)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// crowd calls f so many times at once and returns what it returned.
func crowd(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { errs[i] = f(i) })
	}
	wait.Wait()
	return errs
}

// TestEachGetsItsOwnReply asks for other keys from many goroutines, some of which
// are not there and some of which are of another type.
func TestEachGetsItsOwnReply(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, server.Addr, 20, patience)
	const keys = 100
	for i := range keys {
		if err := c.Ask(t.Context(), redis.NewStatusCmd(t.Context(), "set", fmt.Sprint("key", i), i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ask(t.Context(), redis.NewIntCmd(t.Context(), "rpush", "list", "a")); err != nil {
		t.Fatal(err)
	}
	for _, err := range crowd(64, func(g int) error {
		for i := range keys {
			key := (g*31 + i) % keys
			value, left := redis.NewStringCmd(t.Context(), "get", fmt.Sprint("key", key)), redis.NewDurationCmd(t.Context(), time.Millisecond, "pttl", "none")
			missing, wrong := redis.NewStringCmd(t.Context(), "get", "none"), redis.NewStringCmd(t.Context(), "get", "list")
			if err := c.Ask(t.Context(), missing, wrong, value, left); err != nil {
				return err
			}
			if got := value.Val(); got != fmt.Sprint(key) {
				return fmt.Errorf("got %q for key %d", got, key)
			}
			if !errors.Is(missing.Err(), redis.Nil) || !redis.HasErrorPrefix(wrong.Err(), "WRONGTYPE") || left.Val() != -2 {
				return fmt.Errorf("got %w, %w and %v", missing.Err(), wrong.Err(), left.Val())
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	if !c.Available() {
		t.Errorf("Redis counts as gone: %v", c.LastError())
	}
}

// TestManyShareFewConnections has far more queries ask at once than there are
// connections, of a Redis that is so far away that they would run out of time if
// each had to wait for a connection of its own.
func TestManyShareFewConnections(t *testing.T) {
	proxy := testredis.StartProxy(t, testredis.Start(t))
	const callers, pool, distance = 512, 2, 20 * time.Millisecond
	c := open(t, proxy.Addr, pool, callers/pool*distance/4)
	proxy.SetDelay(distance)
	for _, err := range crowd(callers, func(int) error {
		return c.Ask(t.Context(), redis.NewStringCmd(t.Context(), "get", "none"))
	}) {
		if err != nil {
			t.Errorf("got %v, want a reply", err)
		}
	}
}

// TestNoTurnIsNoFailureOfRedis takes the only connection away for a while.
func TestNoTurnIsNoFailureOfRedis(t *testing.T) {
	c := open(t, testredis.Start(t).Addr, 1, 20*time.Millisecond)
	ask := func(int) error { return c.Ask(t.Context(), redis.NewStringCmd(t.Context(), "get", "none")) }
	held, release := make(chan struct{}), make(chan struct{})
	background := make(chan error, 1)
	go func() {
		background <- c.Background(t.Context(), func(context.Context) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	for _, err := range crowd(4*failuresToOpen, ask) {
		// Who is in a batch already cannot know that it got no connection.
		if !errors.Is(err, ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, ErrBusy)
		}
	}
	if !c.Available() {
		t.Errorf("the breaker is open: %v", c.LastError())
	}
	close(release)
	if err := <-background; err != nil {
		t.Error(err)
	}
	deadline := time.Now().Add(patience)
	for ask(0) != nil { // a busy machine may need more than one budget
		if time.Now().After(deadline) {
			t.Fatal("no reply although the connection is free")
		}
	}
}

// TestWaitingEndsWithItsContext gives up while others' commands are on their way.
func TestWaitingEndsWithItsContext(t *testing.T) {
	server := testredis.Start(t)
	c := open(t, server.Addr, 20, patience)
	ask := func(ctx context.Context) error { return c.Ask(ctx, redis.NewStringCmd(ctx, "get", "none")) }
	if err := ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	var asking sync.WaitGroup
	for range maxBatches {
		// What comes of these does not matter here.
		asking.Go(func() { _ = ask(t.Context()) })
	}
	waiting := func() (running, waiting int) {
		c.batches.mu.Lock()
		defer c.batches.mu.Unlock()
		return c.batches.running, len(c.batches.waiting)
	}
	until(t, func() bool { running, _ := waiting(); return running == maxBatches })
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- ask(ctx) }()
	until(t, func() bool { _, n := waiting(); return n == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want %v", err, ErrBusy)
	}
	if _, n := waiting(); n != 0 {
		t.Errorf("%d still wait, want none", n)
	}
	server.Continue()
	asking.Wait()
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain")
		}
	}
}
