package cache

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/redisconn"
)

const (
	// followInterval is how often a replica asks for new invalidations: often
	// enough that one reaches every replica within a second, with a lost
	// attempt or two on the way. It is also how soon a Redis that came back is
	// used again. Asking costs one command on one key; a subscription would
	// need the same question after every lost connection.
	followInterval = 250 * time.Millisecond
	// firstFollow bounds the first attempt, which New waits for.
	firstFollow = 100 * time.Millisecond
	// logSize is how many invalidations are kept, in Redis and here. Entries
	// older than the oldest of them count as invalid.
	logSize = 1024
)

// follower keeps this replica's invalidation log up with the stream in Redis.
// The stream's ids are the generation of all answers: a replica that was away
// asks from the last id it knows, and finds either what it missed or that it
// cannot know what it missed, and then trusts nothing it holds.
type follower struct {
	cache  *Cache
	conn   *redisconn.Conn
	key    string
	cancel context.CancelFunc
	done   chan struct{}

	mu sync.Mutex // held by whoever reads the stream
}

func newFollower(c *Cache, conn *redisconn.Conn, service string) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{cache: c, conn: conn, key: keyPrefix + "invalidations:" + service, cancel: cancel, done: make(chan struct{})}
	first, cancelFirst := context.WithTimeout(ctx, firstFollow)
	defer cancelFirst()
	if err := f.poll(first); err != nil {
		slog.Warn("Redis cannot be reached yet; the cache starts without it", "error", err)
	}
	go f.run(ctx)
	return f
}

func (f *follower) close() {
	f.cancel()
	<-f.done
}

func (f *follower) run(ctx context.Context) {
	defer close(f.done)
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// A failure has opened the breaker, which says so.
			_ = f.poll(ctx)
		}
	}
}

// poll reads what is new and takes it into the log.
func (f *follower) poll(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conn.Probe(ctx, func(ctx context.Context) error {
		for {
			full, err := f.page(ctx)
			if err != nil || !full {
				return err
			}
		}
	})
}

// page reads one page, and tells whether there may be another.
func (f *follower) page(ctx context.Context) (full bool, err error) {
	last := f.cache.log.Load().last
	if last == (moment{}) {
		messages, err := f.conn.Client.XRevRangeN(ctx, f.key, "+", "-", logSize).Result()
		if err != nil {
			return false, err
		}
		events, err := parseEvents(messages)
		if err != nil {
			return false, err
		}
		slices.Reverse(events)
		f.cache.learn(func(l *invalidationLog) {
			if len(events) == logSize {
				l.distrust(events[0].at)
			}
			l.add(events...)
		})
		return false, nil
	}
	messages, err := f.conn.Client.XRangeN(ctx, f.key, last.String(), "+", logSize).Result()
	if err != nil {
		return false, err
	}
	events, err := parseEvents(messages)
	switch {
	case err != nil:
		return false, err
	case len(events) == 0:
		// What was known is gone: Redis was emptied, or another one took over.
		slog.Warn("the history of invalidations in Redis is not the one known; answers in this process are dropped")
		f.cache.learn(func(l *invalidationLog) { l.distrust(moment{}) })
		return true, nil
	case events[0].at.compare(last) != 0:
		slog.Warn("invalidations were missed; answers in this process are dropped")
		f.cache.learn(func(l *invalidationLog) { l.distrust(events[len(events)-1].at) })
	default:
		f.cache.learn(func(l *invalidationLog) { l.add(events[1:]...) })
	}
	return len(events) == logSize, nil
}

// learn replaces the log by a changed copy.
func (c *Cache) learn(change func(*invalidationLog)) {
	for {
		old := c.log.Load()
		next := old.clone()
		change(next)
		if c.log.CompareAndSwap(old, next) {
			return
		}
	}
}

// publish makes an invalidation known to all replicas.
func (f *follower) publish(ctx context.Context, i invalidation) error {
	values := map[string]any{"partition": i.partition, "prefix": i.prefix}
	if i.question != nil {
		values["question"] = *i.question
	}
	err := f.conn.Background(ctx, func(ctx context.Context) error {
		return f.conn.Client.XAdd(ctx, &redis.XAddArgs{Stream: f.key, MaxLen: logSize, Values: values}).Err()
	})
	if err != nil {
		return err
	}
	return f.poll(ctx)
}

func parseEvents(messages []redis.XMessage) ([]invalidation, error) {
	events := make([]invalidation, 0, len(messages))
	for _, m := range messages {
		at, err := parseMoment(m.ID)
		if err != nil {
			return nil, err
		}
		e := invalidation{at: at}
		e.partition, _ = m.Values["partition"].(string)
		e.prefix, _ = m.Values["prefix"].(string)
		if q, ok := m.Values["question"].(string); ok {
			e.question = &q
		}
		events = append(events, e)
	}
	return events, nil
}

// String is the id of a stream's entry.
func (m moment) String() string {
	return strconv.FormatUint(m.ms, 10) + "-" + strconv.FormatUint(m.seq, 10)
}

func parseMoment(id string) (moment, error) {
	ms, seq, _ := strings.Cut(id, "-")
	var m moment
	var err error
	if m.ms, err = strconv.ParseUint(ms, 10, 64); err == nil {
		m.seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil {
		return moment{}, fmt.Errorf("a stream's id is %q, and must be two numbers", id)
	}
	return m, nil
}
