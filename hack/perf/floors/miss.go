package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	missRate  = 100 // queries per second
	missSlice = 3 * time.Second
	// How long the stand-ins take. What it is does not matter, only that it is not
	// nothing: queries have to be in flight side by side, as they are in earnest.
	embedTakes, searchTakes, modelTakes = 10 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond
)

// missOverhead asks new questions of the runtime, with Redis and the local cache
// to look in and to write to, and asks the runtime's upstreams directly, one after
// another, as a query without any service would: embedding, search, model. What
// the runtime takes longer at the median is its overhead. Both are asked by the
// same client at the same pace, and in turns, and the cores are kept awake.
func missOverhead(ctx context.Context, l *lab) (figures, error) {
	standin, err := l.comparison(ctx, "standin", "-embedding", embedTakes.String(), "-vector", searchTakes.String(), "-model", modelTakes.String())
	if err != nil {
		return nil, err
	}
	defer standin.stop()
	redis, err := l.redis(ctx)
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	service, err := l.service(ctx, upstreams(standin)+"cache: {local: {}, redis: {addresses: ["+redis.address+"]}}\n")
	if err != nil {
		return nil, err
	}
	defer service.stop()

	sleep, err := l.awake(ctx)
	if err != nil {
		return nil, err
	}
	defer sleep()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	direct := directly(client, "http://"+standin.address)
	through := func(ctx context.Context) error {
		return post(ctx, client, "http://"+service.address+"/query", fmt.Sprintf(`{"query": "How long may I take to return order %x?"}`, rand.Uint64()))
	}
	got := figures{}
	for round := range l.rounds + 1 {
		upstreams, err := medianOf(ctx, missRate, missSlice, direct)
		if err != nil {
			return nil, fmt.Errorf("the stand-ins: %w", err)
		}
		service, err := medianOf(ctx, missRate, missSlice, through)
		if err != nil {
			return nil, fmt.Errorf("the runtime: %w", err)
		}
		if round == 0 {
			continue // connections were opened
		}
		fmt.Fprintf(l.log, "  %.2f ms, of which the upstreams %.2f ms\n", milliseconds(service), milliseconds(upstreams))
		got.add("miss-overhead", milliseconds(service-upstreams))
	}
	return got, nil
}

// awake keeps the cores from going to sleep until sleep is called: on each of them
// something runs that gives way to everything else at once. At this pace a core is idle
// between two of the dozen messages that a query takes. What it takes to wake up from
// that is up to the hypervisor, which may have put the core away for another machine:
// it is far more than what is measured here, and more in one round than in the next.
func (l *lab) awake(ctx context.Context) (sleep func(), err error) {
	var running []*process
	sleep = func() {
		for _, p := range running {
			p.stop()
		}
	}
	for range runtime.NumCPU() {
		p, err := l.start(ctx, "", "chrt", "--idle", "0", "sh", "-c", "while kill -0 $PPID; do :; done")
		if err != nil {
			sleep()
			return nil, fmt.Errorf("keep the cores awake: %w", err)
		}
		running = append(running, p)
	}
	return sleep, nil
}

// directly asks what the runtime asks its upstreams, with bodies of that size.
func directly(client *http.Client, base string) func(context.Context) error {
	vector, err := json.Marshal(randomVector(rand.New(rand.NewPCG(1, 2)), memoryDimensions))
	passages, encoding := json.Marshal(strings.Repeat("Returns are taken in any store within sixty days. ", 40))
	calls := []struct{ path, body string }{
		{"/v1/embeddings", `{"model": "stand-in", "input": ["` + question + `"]}`},
		{"/query", `{"vector": ` + string(vector) + `, "top_k": 5, "include_metadata": true}`},
		{"/v1/chat/completions", `{"model": "stand-in", "messages": [{"role": "user", "content": ` + string(passages) + `}]}`},
	}
	return func(ctx context.Context) error {
		if err := errors.Join(err, encoding); err != nil {
			return err
		}
		for _, call := range calls {
			if err := post(ctx, client, base+call.path, call.body); err != nil {
				return err
			}
		}
		return nil
	}
}

func post(ctx context.Context, client *http.Client, url, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, response.StatusCode)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// medianOf calls at a pace, each call on a goroutine of its own, and returns the
// median of how long they took.
func medianOf(ctx context.Context, perSecond int, d time.Duration, call func(context.Context) error) (time.Duration, error) {
	var (
		mu     sync.Mutex
		took   []time.Duration
		failed []error
		calls  sync.WaitGroup
	)
	pace := time.NewTicker(time.Second / time.Duration(perSecond))
	defer pace.Stop()
	for range int(d.Seconds() * float64(perSecond)) {
		select {
		case <-pace.C:
		case <-ctx.Done():
			calls.Wait()
			return 0, ctx.Err()
		}
		calls.Go(func() {
			began := time.Now()
			err := call(ctx)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(began))
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	calls.Wait()
	if len(failed) > 0 {
		return 0, fmt.Errorf("%d of %d calls failed, one of them with: %w", len(failed), len(took), failed[0])
	}
	return median(took), nil
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
