package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/internal/redisconn"
)

// versionDigits is the length of the version at the start of the shared value.
const versionDigits = 20

// faqOverlay is the part of the FAQ that is shared through Redis: one value, a
// version of twenty digits and the pairs as JSON. The newest version wins.
type faqOverlay struct {
	conn *redisconn.Conn
	key  string

	mu      sync.Mutex
	version int64 // Unix nanoseconds; 0 before the first
	value   []byte
	pairs   []Pair
}

func (o *faqOverlay) put(ctx context.Context, pairs []Pair) error {
	pairs = append([]Pair{}, pairs...) // never null
	body, err := json.Marshal(pairs)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	version := max(time.Now().UnixNano(), o.version+1)
	value := append(fmt.Appendf(nil, "%0*d", versionDigits, version), body...)
	err = o.conn.Background(ctx, func(ctx context.Context) error {
		return o.conn.Client.Set(ctx, o.key, value, 0).Err()
	})
	if err == nil {
		o.version, o.value, o.pairs = version, value, pairs
	}
	return err
}

// sync reads what is newer in Redis and puts back what was lost there. It returns
// the newest pairs known, also when Redis cannot be asked.
func (o *faqOverlay) sync(ctx context.Context) []Pair {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.conn.Background(ctx, func(ctx context.Context) error {
		head, err := o.conn.Client.GetRange(ctx, o.key, 0, versionDigits-1).Bytes()
		if err != nil {
			return err
		}
		version, _ := strconv.ParseInt(string(head), 10, 64) // 0 for a missing value
		switch {
		case version > o.version:
			return o.load(ctx)
		case version == 0 && o.version > 0:
			return o.conn.Client.SetNX(ctx, o.key, o.value, 0).Err()
		case version < o.version:
			return o.conn.Client.Set(ctx, o.key, o.value, 0).Err()
		}
		return nil
	})
	if err != nil && !errors.Is(err, redisconn.ErrUnavailable) && ctx.Err() == nil {
		slog.Debug("the shared FAQ cannot be followed just now", "error", err)
	}
	return o.pairs
}

func (o *faqOverlay) load(ctx context.Context) error {
	value, err := o.conn.Client.Get(ctx, o.key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil
	} else if err != nil {
		return err
	}
	if len(value) < versionDigits {
		return nil
	}
	version, err := strconv.ParseInt(string(value[:versionDigits]), 10, 64)
	if err != nil || version <= o.version {
		return nil //nolint:nilerr // not ours; the next put replaces it
	}
	pairs, err := ParseFAQ("shared.json", value[versionDigits:])
	if err != nil {
		slog.Warn("the FAQ in Redis cannot be used; the last good one stays", "error", err)
		pairs = o.pairs
	}
	o.version, o.value, o.pairs = version, bytes.Clone(value), pairs
	return nil
}
