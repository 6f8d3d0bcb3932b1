package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// rest is how long a service is left alone before its memory is looked at.
const rest = 3 * time.Second

// startAndRest starts a service with as many parts as a configuration can have,
// none but Redis there: no start waits for a server. It measures from the start of
// the process until the port for probes says ready, and then what memory it holds
// when nobody has asked anything: the working set of another one, in a cgroup of its
// own.
func startAndRest(ctx context.Context, l *lab) (got figures, err error) {
	redis, err := l.redis(ctx)
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	config, err := l.everything(redis.address)
	if err != nil {
		return nil, err
	}
	group, err := newMemoryGroup("ragservice-floors")
	if err != nil {
		fmt.Fprintf(l.log, "  no cgroup of its own for the runtime, so that idle-memory is its resident memory: %v\n", err)
	} else {
		defer func() { err = errors.Join(err, group.remove()) }()
	}
	got = figures{}
	for range l.rounds {
		if err := l.startOnce(ctx, config, group, got); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func (l *lab) startOnce(ctx context.Context, config string, group *memoryGroup, got figures) error {
	service, err := l.service(ctx, config)
	if err != nil {
		return err
	}
	defer service.stop()
	if err := pause(ctx, rest); err != nil {
		return err
	}
	resident, err := service.resident()
	if err != nil {
		return err
	}
	idle := resident
	if group != nil {
		if idle, err = l.idleInGroup(ctx, group, config); err != nil {
			return err
		}
	}
	fmt.Fprintf(l.log, "  ready after %.0f ms, %.1f MB resident, a working set of %.1f MB\n",
		milliseconds(service.took), float64(resident)/1e6, float64(idle)/1e6)
	got.add("start", milliseconds(service.took))
	got.add("idle-memory", float64(idle)/1e6)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// everything is a configuration with all parts, and the files that it names. Where
// there is a choice of provider it has the one whose client is the largest.
func (l *lab) everything(redis string) (string, error) {
	config := `service: {name: everything}
model:
  openAI: {model: gpt-4o-mini, baseURL: "http://127.0.0.1:9/v1", apiKeyFile: KEY}
  fallbacks:
  - anthropic: {model: claude, baseURL: "http://127.0.0.1:9", apiKeyFile: KEY}
  - bedrock: {model: nova, region: eu-west-1, endpoint: "http://127.0.0.1:9"}
embedding: {textEmbeddingsInference: {endpoint: "http://127.0.0.1:9"}, dimensions: 384}
vectorStore: {weaviate: {endpoint: "http://127.0.0.1:9", collection: Documents}}
cache:
  local: {}
  redis: {addresses: [REDIS]}
  semantic: {}
  faq: {file: FAQ}
userContext: {postgres: {dsnFile: DSN, query: "SELECT 1 WHERE $1 = ''"}}
access:
  apiKeys: {file: KEYS}
  jwt: {issuer: "http://127.0.0.1:9", audiences: [shop], jwksURL: "http://127.0.0.1:9/jwks"}
  requestsPerMinute: 60
telemetry: {otlpEndpoint: "http://127.0.0.1:9"}
`
	pairs := []string{"REDIS", redis}
	for _, file := range []struct{ word, name, content string }{
		{"KEYS", "keys.yaml", "- key: not-a-secret-at-all\n  tenant: shop\n"},
		{"KEY", "key", "not-a-secret"},
		{"FAQ", "faq.yaml", "- question: When do you open?\n  answer: At nine.\n"},
		{"DSN", "dsn", "postgres://shop@127.0.0.1:9/shop"},
	} {
		path, err := l.write(file.name, file.content)
		if err != nil {
			return "", err
		}
		pairs = append(pairs, file.word, path)
	}
	return strings.NewReplacer(pairs...).Replace(config), nil
}
