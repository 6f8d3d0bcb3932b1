package scenario

import (
	"context"
	"errors"
	"strings"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
)

const (
	// longAnswer is how long the model writes while so many wait for it, as a
	// real one does for an answer of a few hundred words.
	longAnswer = 5 * time.Second
	// patience of the callers.
	patience = 30 * time.Second
)

func trimmed(why string) string { return strings.TrimSuffix(why, "; ") }

// inFlight has so many callers ask at the same moment and wait for an answer that
// takes five seconds. Each service is on its own: nothing is left to take turns
// with.
func (s *Suite) inFlight(ctx context.Context, name string, callers int) ([]result.Scenario, error) {
	kinds := either(s, []lab.Kind{lab.Runtime, lab.FastAPI}, []lab.Kind{lab.Runtime, lab.FastAPI, lab.Flask})
	if !s.Quick && name == InFlight5k {
		kinds = append(kinds, lab.FastAPIGuide, lab.FlaskGuide)
	}
	scenario := result.Scenario{Name: name}
	for _, kind := range kinds {
		if err := s.crowd(ctx, &scenario, kind, callers); err != nil {
			return nil, err
		}
		s.Say("  %s", kind)
	}
	return []result.Scenario{scenario}, nil
}

func (s *Suite) crowd(ctx context.Context, scenario *result.Scenario, kind lab.Kind, callers int) (err error) {
	standIns := lab.StandIns{Model: longAnswer, Embedding: embeddingLatency, Vector: vectorLatency}
	set, err := s.set(ctx, standIns, func(a *lab.Around) { a.DSN = "" }, kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.clear(set)) }()
	fresh, err := questions(1)
	if err != nil {
		return err
	}
	service := set.services[0]
	idle, err := memory(ctx, service.PID)
	if err != nil {
		return err
	}
	p, err := plan(service, "", fresh)
	if err != nil {
		return err
	}
	p.Clients, p.Timeout = callers, patience
	p.Stages = []load.Stage{{Duration: longAnswer}}
	runs, err := s.one(ctx, service, p)
	if err != nil {
		return err
	}
	add(scenario, "answered", "%", true, service, runs, func(m measured) float64 {
		if m.Total.SuccessRatio == nil {
			return 0
		}
		return 100 * *m.Total.SuccessRatio
	})
	add(scenario, "p50", "ms", false, service, runs, p50)
	add(scenario, "p99", "ms", false, service, runs, p99)
	add(scenario, "most in flight", "", true, service, runs, func(m measured) float64 { return float64(m.Total.MostInFlight) })
	if usage := runs[0].Total.Usage; usage != nil && runs[0].Total.Answered > 0 {
		grown := max(0, float64(usage.MaxMemoryBytes-idle))
		scenario.Add("memory for 1,000 in flight", "MiB", false, result.Row{
			Service: string(kind), Values: []float64{grown / (1 << 20) / float64(callers) * 1000},
		})
		scenario.Add("memory at most", "MiB", false, result.Row{
			Service: string(kind), Values: []float64{float64(usage.MaxMemoryBytes) / (1 << 20)},
		})
	}
	return nil
}
