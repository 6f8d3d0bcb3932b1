package scenario

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

const (
	// newShare of questions that are in no cache.
	newShare = 0.30
	// hitRatio that must hold: the mix decides the ratio, so all this says is that
	// a cache which gives up under load is no capacity.
	hitRatio = 0.5
)

// mixed finds the highest rate at which a service on one core keeps the guide's
// objectives, when 70 % of the questions are in its cache.
func (s *Suite) mixed(ctx context.Context) ([]result.Scenario, error) {
	scenario := result.Scenario{Name: Mixed}
	found := map[lab.Kind][]float64{}
	notes := map[lab.Kind]string{}
	rates := map[lab.Kind]float64{lab.Runtime: 2000, lab.FastAPI: 250, lab.Flask: 150, lab.FastAPIGuide: 50, lab.FlaskGuide: 4}
	// The literal variants are far below the others, so once will do.
	passes := either(s,
		[][]lab.Kind{{lab.FastAPI, lab.Flask, lab.Runtime}},
		[][]lab.Kind{{lab.FastAPI, lab.Flask, lab.Runtime}, {lab.Runtime, lab.Flask, lab.FastAPI, lab.FastAPIGuide, lab.FlaskGuide}})
	for _, pass := range passes {
		for _, kind := range pass {
			capacity, err := s.capacityOf(ctx, kind, rates[kind])
			if err != nil {
				return nil, err
			}
			s.Say("  %s carries %.0f/s", kind, capacity.PerSecond)
			found[kind] = append(found[kind], capacity.PerSecond)
			notes[kind] = limit(capacity)
			if capacity.PerSecond > 0 {
				rates[kind] = 0.85 * capacity.PerSecond
			}
		}
	}
	for _, kind := range []lab.Kind{lab.Runtime, lab.FastAPI, lab.FastAPIGuide, lab.Flask, lab.FlaskGuide} {
		if values := found[kind]; len(values) > 0 {
			scenario.Add("capacity", "/s", true, result.Row{Service: string(kind), Values: values, Note: notes[kind]})
		}
	}
	return []result.Scenario{scenario}, nil
}

// capacityOf starts a service for a search of its own: what an earlier rate left
// behind must not count against it.
func (s *Suite) capacityOf(ctx context.Context, kind lab.Kind, from float64) (_ *trial.Capacity, err error) {
	set, err := s.set(ctx, guideStandIns, func(a *lab.Around) { a.DSN = "" }, kind)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.clear(set)) }()
	mix, err := questions(newShare)
	if err != nil {
		return nil, err
	}
	p, err := plan(set.services[0], "", mix)
	if err != nil {
		return nil, err
	}
	if err := load.Prime(ctx, p.Target, mix, p.Timeout); err != nil {
		return nil, err
	}
	p.WarmUp = either(s, 500*time.Millisecond, time.Second)
	p.Stages = []load.Stage{{Rate: from, Duration: either(s, 2*time.Second, 4*time.Second)}}
	objectives := objective.Defaults()
	objectives.CacheHitRatio = hitRatio
	capacity, err := trial.FindCapacity(ctx, trial.Search{
		Plan: p, Objectives: objectives, Most: 30_000, Precision: either(s, 0.3, 0.08),
	})
	if err != nil {
		return nil, err
	}
	if capacity.Interrupted {
		return nil, context.Cause(ctx)
	}
	return capacity, nil
}

// limit says what ended the search: why the lowest rate that was missed was.
func limit(c *trial.Capacity) string {
	if c.AtLeast {
		return "the highest rate tried; it may be more"
	}
	lowest, why := math.Inf(1), ""
	for _, t := range c.Trials {
		if !t.Held && t.PerSecond < lowest {
			lowest, why = t.PerSecond, t.Why
		}
	}
	if why == "" {
		return ""
	}
	return fmt.Sprintf("at %.0f/s: %s", lowest, trimmed(why))
}
