package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

const (
	// clients ask one question after another.
	clients = 64
	// slice is how long one side is asked before it is the other's turn.
	slice = 2 * time.Second
)

// hitLocal asks for a kept answer over and over: of the runtime, which holds it in
// memory, and of a bare Go server that writes the same bytes.
func hitLocal(ctx context.Context, l *lab) (figures, error) {
	return l.hits(ctx, "hit-local", "local: {}", "HIT-L1", func(body string) (*process, error) {
		path, err := l.write("body.json", body)
		if err != nil {
			return nil, err
		}
		return l.comparison(ctx, "floor-memory", "-body", path)
	})
}

// hitRedis is the same without memory: both sides get the answer from Redis with
// one GET and the same pool. What Redis may take from a query is not bounded more
// narrowly than on the other side, since this is about what a hit costs.
func hitRedis(ctx context.Context, l *lab) (figures, error) {
	server, err := l.redis(ctx)
	if err != nil {
		return nil, err
	}
	defer server.stop()
	return l.hits(ctx, "hit-redis", "budget: 1s, redis: {addresses: ["+server.address+"]}", "HIT-L2", func(body string) (*process, error) {
		client := redis.NewClient(&redis.Options{Addr: server.address})
		defer client.Close()
		if err := client.Set(ctx, "cache:"+question, body, time.Hour).Err(); err != nil {
			return nil, err
		}
		return l.comparison(ctx, "floor-redis", "-redis", server.address)
	})
}

// hits compares the runtime, with the cache that is named, to a bare server for
// the answer that the runtime gives.
func (l *lab) hits(ctx context.Context, floor, cache, tier string, bare func(body string) (*process, error)) (figures, error) {
	standin, err := l.comparison(ctx, "standin")
	if err != nil {
		return nil, err
	}
	defer standin.stop()
	service, err := l.service(ctx, upstreams(standin)+"cache: {ttl: 1h, "+cache+"}\n")
	if err != nil {
		return nil, err
	}
	defer service.stop()
	body, err := service.kept(ctx, tier)
	if err != nil {
		return nil, err
	}
	other, err := bare(body)
	if err != nil {
		return nil, err
	}
	defer other.stop()

	asked, err := load.ReadQuestions(strings.NewReader(question), 0)
	if err != nil {
		return nil, err
	}
	var plans []load.Plan
	for _, side := range []struct {
		name string
		*process
	}{{"bare", other}, {"runtime", service.process}} {
		target, err := side.target(side.name)
		if err != nil {
			return nil, err
		}
		plans = append(plans, load.Plan{
			Target: target, Questions: asked, Clients: clients, InFlight: clients, Timeout: 10 * time.Second,
			WarmUp: slice / 10, Stages: []load.Stage{{Duration: slice}},
		})
	}
	compared, err := trial.Compare(ctx, plans, l.rounds, nil)
	if err != nil {
		return nil, err
	}
	got := figures{}
	for round := range compared.Rounds {
		bare, runtime := compared.Results[0][round].Total, compared.Results[1][round].Total
		if err := errors.Join(allAnswered("the bare server", bare), allAnswered("the runtime", runtime)); err != nil {
			return nil, err
		}
		if hits := runtime.Cache[tier]; hits != runtime.Answered {
			return nil, fmt.Errorf("%d of %d answers were %s", hits, runtime.Answered, tier)
		}
		fmt.Fprintf(l.log, "  %.0f/s, and %.0f/s of the bare server\n", runtime.AchievedPerSecond, bare.AchievedPerSecond)
		got.add(floor, runtime.AchievedPerSecond/bare.AchievedPerSecond)
	}
	return got, nil
}

func allAnswered(who string, s load.Summary) error {
	if s.Answered > 0 && len(s.Failures) == 0 {
		return nil
	}
	return fmt.Errorf("%s answered %d of %d questions: %v", who, s.Answered, s.Questions, s.Failures)
}

// question is what hits are asked.
const question = "How long may I take to return a coat that does not fit?"

// upstreams points the runtime at the stand-ins for its model, its embedding and
// its vector store.
func upstreams(standin *process) string {
	return strings.ReplaceAll(`model: {openAI: {model: stand-in, baseURL: "http://ADDRESS/v1"}}
embedding: {openAI: {model: stand-in, baseURL: "http://ADDRESS/v1"}, dimensions: 384}
vectorStore: {http: {url: "http://ADDRESS/query"}}
telemetry: {logLevel: error}
`, "ADDRESS", standin.address)
}

// kept asks until the answer comes from that tier, and returns its body.
func (m *measured) kept(ctx context.Context, tier string) (body string, err error) {
	request, err := json.Marshal(map[string]string{"query": question})
	if err != nil {
		return "", err
	}
	var asking error
	err = m.until(ctx, func() bool {
		var from string
		body, from, asking = ask(ctx, "http://"+m.address+"/query", string(request))
		return asking != nil || from == tier
	})
	return body, errors.Join(err, asking)
}

// ask sends one question and returns the answer and where it came from.
func ask(ctx context.Context, url, body string) (answer, tier string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %.200s", url, response.StatusCode, data)
	}
	return string(data), response.Header.Get("X-Cache"), err
}
