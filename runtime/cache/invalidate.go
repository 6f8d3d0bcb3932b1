package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/internal/redisconn"
)

// scanCount is how many keys Redis looks at in one step of a scan.
const scanCount = 500

// Selector says which answers an invalidation meets. Either All is set, or at
// least one other field; an answer must match all fields that are set.
type Selector struct {
	// Question matches one question byte for byte, in every representation and
	// with all options.
	Question string `json:"question,omitempty"`
	// Prefix matches questions that begin with it.
	Prefix string `json:"prefix,omitempty"`
	// Tenant matches one tenant's answers. It needs scope Tenant or User.
	Tenant string `json:"tenant,omitempty"`
	// User matches the answers of one user of Tenant. It needs scope User.
	User string `json:"user,omitempty"`
	// All matches every answer of this service.
	All bool `json:"all,omitempty"`
}

// Report is what an invalidation met.
type Report struct {
	// Redis is the number of answers in Redis, deleted unless it was a dry run.
	Redis int `json:"redis"`
	// Local is the number in this replica's memory; others are not counted.
	Local int `json:"local"`
	// DryRun tells that nothing was changed.
	DryRun bool `json:"dryRun"`
}

// ErrSelector is in the error of a selector that cannot be used.
var ErrSelector = errors.New("the selector cannot be used")

// compile checks the selector against the scope.
func (s Selector) compile(scope config.Scope) (invalidation, error) {
	fail := func(what string) (invalidation, error) {
		return invalidation{}, fmt.Errorf("%w: %s", ErrSelector, what)
	}
	narrow := s.Question != "" || s.Prefix != "" || s.Tenant != "" || s.User != ""
	switch {
	case s.All && narrow:
		return fail("all stands alone; leave out the other fields or all")
	case !s.All && !narrow:
		return fail("it is empty; set question, prefix, tenant, user or all")
	case s.Question != "" && s.Prefix != "":
		return fail("question and prefix exclude each other")
	case s.Tenant != "" && scope == config.ScopeShared:
		return fail("the cache's scope is Shared: answers are not kept by tenant")
	case s.User != "" && scope != config.ScopeUser:
		return fail(fmt.Sprintf("the cache's scope is %s: answers are not kept by user", scope))
	}
	i := invalidation{prefix: s.Prefix}
	if s.Question != "" {
		i.question = &s.Question
	}
	switch {
	case s.User != "":
		i.partition = userPartition(s.Tenant, s.User)
	case s.Tenant != "" && scope == config.ScopeUser:
		i.partition = userPartition(s.Tenant, "")
		i.partition = i.partition[:strings.LastIndexByte(i.partition, '-')+1]
	case s.Tenant != "":
		i.partition = tenantPartition(s.Tenant)
	}
	return i, nil
}

// Invalidate makes the answers that the selector meets count as gone: in this
// process at once, in all other replicas within a second, and in Redis, where
// they are deleted. A dry run only counts.
//
// An error after the selector was accepted means that Redis could not be
// reached: then only this replica has dropped its answers, or some that are no
// longer served take up memory in Redis until they expire. The call can be
// repeated.
func (c *Cache) Invalidate(ctx context.Context, s Selector, dryRun bool) (Report, error) {
	i, err := s.compile(c.cfg.Load().Scope)
	if err != nil {
		return Report{}, err
	}
	report := Report{Local: c.countLocal(i), DryRun: dryRun}
	if c.conn == nil {
		if !dryRun {
			c.learn(func(l *invalidationLog) { l.addLocal(i) })
		}
		return report, nil
	}
	if !dryRun {
		if err := c.follower.publish(ctx, i); err != nil {
			c.learn(func(l *invalidationLog) { l.addLocal(i) })
			return report, fmt.Errorf("tell the other replicas: %w", err)
		}
		c.metrics.invalidations.Inc()
	}
	report.Redis, err = c.sweep(ctx, i, dryRun)
	if err != nil {
		return report, fmt.Errorf("look for the answers in Redis: %w", err)
	}
	return report, nil
}

func (c *Cache) countLocal(i invalidation) int {
	if c.local == nil {
		return 0
	}
	n := 0
	for e := range c.local.entries.Values() {
		if i.matches(e.partition, e.question) && c.passes(e) {
			n++
		}
	}
	return n
}

// sweep counts what matches in Redis and deletes it unless it is a dry run.
func (c *Cache) sweep(ctx context.Context, i invalidation, dryRun bool) (int, error) {
	var total atomic.Int64
	node := func(ctx context.Context, client *redis.Client) error {
		for _, pattern := range c.patterns(i) {
			n, err := c.sweepNode(ctx, client, pattern, i, dryRun)
			total.Add(int64(n))
			if err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	switch client := c.conn.Client.(type) {
	case *redis.ClusterClient:
		err = client.ForEachMaster(ctx, node)
	case *redis.Client:
		err = node(ctx, client)
	}
	return int(total.Load()), err
}

// patterns are those of the keys that may match.
func (c *Cache) patterns(i invalidation) []string {
	partition := i.partition
	if partition == "" || strings.HasSuffix(partition, "-") {
		partition += "*"
	}
	patterns := []string{keyPrefix + partition + ":" + c.epoch + ":*"}
	if c.cfg.Load().LegacyKeys {
		suffix := globEscape(i.prefix) + "*"
		if i.question != nil {
			suffix = globEscape(*i.question)
		}
		patterns = append(patterns, legacyPrefix+suffix)
	}
	return patterns
}

func (c *Cache) sweepNode(ctx context.Context, client *redis.Client, pattern string, i invalidation, dryRun bool) (int, error) {
	var (
		total  int
		cursor uint64
	)
	for {
		err := c.conn.Background(ctx, func(ctx context.Context) error {
			keys, next, err := client.Scan(ctx, cursor, pattern, scanCount).Result()
			if err != nil {
				return err
			}
			cursor = next
			if keys, err = matching(ctx, client, keys, i); err != nil || len(keys) == 0 {
				return err
			}
			total += len(keys)
			if dryRun {
				return nil
			}
			_, err = client.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, key := range keys { // one by one: in a cluster they are in many slots
					p.Unlink(ctx, key)
				}
				return nil
			})
			return err
		})
		if err != nil || cursor == 0 {
			return total, err
		}
	}
}

// matching leaves the keys whose question matches. Legacy keys do by their name;
// of the others the start of the frame is read, no more than the comparison
// needs.
func matching(ctx context.Context, client *redis.Client, keys []string, i invalidation) ([]string, error) {
	want, whole := i.prefix, false
	if i.question != nil {
		want, whole = *i.question, true
	}
	if want == "" || len(keys) == 0 || strings.HasPrefix(keys[0], legacyPrefix) {
		return keys, nil
	}
	head := frame{question: []byte(want)}.encode()
	heads := make([]*redis.StringCmd, len(keys))
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for n, key := range keys {
			heads[n] = p.GetRange(ctx, key, 0, int64(len(head)+8)) // 8: the uvarint of a longer question
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kept := keys[:0]
	for n, key := range keys {
		start, _ := heads[n].Bytes() // its error is the pipeline's
		question, length, ok := questionStart(start)
		if ok && bytes.HasPrefix(question, []byte(want)) && (!whole || length == len(want)) {
			kept = append(kept, key)
		}
	}
	return kept, nil
}

var globSpecial = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`)

func globEscape(s string) string { return globSpecial.Replace(s) }

// Available tells whether Redis is used just now; true where there is none.
func (c *Cache) Available() bool { return c.conn == nil || c.conn.Available() }

// Conn is the connection to Redis, for others that keep something there and are
// to share its breaker; nil where there is none.
func (c *Cache) Conn() *redisconn.Conn { return c.conn }
