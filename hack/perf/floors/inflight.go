package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
)

const (
	// thousands are the queries in flight.
	thousands = 5000
	slowModel = time.Second
	// inFlightWarmUp is until connections are open and memory is as large as it gets.
	inFlightWarmUp = 8 * time.Second
	inFlightFor    = 5 * time.Second
)

// inFlight keeps 5,000 queries in flight: so many callers ask a new question as soon as
// the last one is answered, for which the model takes a second, over which they begin.
// Embedding and vector store are the runtime's own: the cores that it runs on, which it
// shares with the model's stand-in and the load generator, have enough to do. The cache
// is as small as it can be, for answers that are kept are no memory of a query in
// flight.
func inFlight(ctx context.Context, l *lab) (figures, error) {
	got := figures{}
	for range l.rounds {
		if err := l.inFlightRound(ctx, got); err != nil {
			return nil, err
		}
	}
	return got, nil
}

func (l *lab) inFlightRound(ctx context.Context, got figures) error {
	standin, err := l.comparison(ctx, "model", "-model", slowModel.String())
	if err != nil {
		return err
	}
	defer standin.stop()
	if _, err := l.write("shop/returns.md", "# Returns\n\nReturns are taken in any store within sixty days.\n"); err != nil {
		return err
	}
	service, err := l.service(ctx, fmt.Sprintf(`model: {openAI: {model: stand-in, baseURL: "http://%s/v1"}}
embedding: {lexical: {}, dimensions: 384}
vectorStore: {memory: {documents: [%q]}}
cache: {local: {maxBytes: 1048576}}
telemetry: {logLevel: error}
`, standin.address, l.dir+"/shop"))
	if err != nil {
		return err
	}
	defer service.stop()
	target, err := service.target("runtime")
	if err != nil {
		return err
	}
	questions, err := load.GenerateQuestions(1, 0)
	if err != nil {
		return err
	}
	if questions, err = questions.WithNew(1); err != nil {
		return err
	}
	idle, err := service.resident()
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	var peak int64
	var watch sync.WaitGroup
	watch.Go(func() { peak = service.peak(watching) })
	result, err := load.Run(ctx, load.Plan{
		Target: target, Questions: questions, Clients: thousands, InFlight: thousands, Timeout: 20 * time.Second,
		WarmUp: inFlightWarmUp, RampUp: slowModel, Stages: []load.Stage{{Duration: inFlightFor}},
	})
	stop()
	watch.Wait()
	if err != nil {
		return err
	}
	if result.Total.MostInFlight < thousands*9/10 {
		return fmt.Errorf("no more than %d queries were in flight: the load generator did not keep up", result.Total.MostInFlight)
	}
	failed := result.Total.Questions - result.Total.Answered
	if failed > 0 {
		fmt.Fprintf(l.log, "  failed: %v\n", result.Total.Failures)
	}
	perQuery := float64(peak-idle) / float64(result.Total.MostInFlight) / 1000
	fmt.Fprintf(l.log, "  %.0f answers/s, %d in flight, p50 %.0f ms, p95 %.0f ms, %.0f kB each\n",
		result.Total.AchievedPerSecond, result.Total.MostInFlight, result.Total.Latency.P50Ms, result.Total.Latency.P95Ms, perQuery)
	got.add("in-flight-p95", result.Total.Latency.P95Ms/1000)
	got.add("in-flight-failed", float64(failed))
	got.add("in-flight-memory", perQuery)
	return nil
}

// peak is the most memory that the process held until ctx ended.
func (p *process) peak(ctx context.Context) (most int64) {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		if now, err := p.resident(); err == nil {
			most = max(most, now)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return most
		}
	}
}
