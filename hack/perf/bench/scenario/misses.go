package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
)

// quietRate is low enough for every service to have no queue: what is measured
// is the way of one question.
const quietRate = 10

// user is whom the look-ups find.
var user = map[string]json.RawMessage{"user_id": json.RawMessage(`"ada"`)}

// lookups has the three look-ups of the guide take 100, 50 and 200 ms, and the
// rest no time: 350 ms one after another, 200 ms side by side.
func (s *Suite) lookups(ctx context.Context) ([]result.Scenario, error) {
	slow, address, err := s.Lab.StartSlowRedis(ctx, 50*time.Millisecond)
	if err != nil {
		return nil, err
	}
	got, err := s.quiet(ctx, Lookups, lab.StandIns{Embedding: 100 * time.Millisecond}, func(a *lab.Around) {
		a.Redis, a.DSN, a.Patient = address, a.DSN+"&"+lab.SlowContext, true
	}, lab.Runtime, lab.FastAPI, lab.FastAPIGuide, lab.Flask, lab.FlaskGuide)
	return got, errors.Join(err, s.Lab.Stop(slow))
}

// miss has embedding, vector store and model take 50, 200 and 100 ms. Each needs
// what the one before it said, so no service can answer within less than 350 ms.
func (s *Suite) miss(ctx context.Context) ([]result.Scenario, error) {
	return s.quiet(ctx, Miss, guideStandIns, nil, lab.Runtime, lab.FloorPath, lab.FastAPI, lab.FastAPIGuide, lab.Flask, lab.FlaskGuide)
}

// quiet asks new questions at a rate that nobody has to queue at.
func (s *Suite) quiet(ctx context.Context, name string, standIns lab.StandIns, change func(*lab.Around), kinds ...lab.Kind) (_ []result.Scenario, err error) {
	set, err := s.set(ctx, standIns, change, kinds...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.clear(set)) }()
	fresh, err := questions(1)
	if err != nil {
		return nil, err
	}
	var plans []load.Plan
	for _, service := range set.services {
		p, err := plan(service, "", fresh)
		if err != nil {
			return nil, err
		}
		p.Target.Fields = user
		plans = append(plans, s.atRate(p, service))
	}
	runs, err := s.rounds(ctx, set.services, plans, either(s, 2, 3))
	if err != nil {
		return nil, err
	}
	scenario := result.Scenario{Name: name}
	for i, service := range set.services {
		add(&scenario, "p50", "ms", false, service, runs[i], p50)
		add(&scenario, "p99", "ms", false, service, runs[i], p99)
		add(&scenario, "CPU per 1,000 answers", "s", false, service, runs[i], cpuPer1000)
	}
	return []result.Scenario{scenario}, nil
}

// atRate asks at the quiet rate. Three workers that sleep through each of the
// guide's requests carry fewer.
func (s *Suite) atRate(p load.Plan, service *lab.Service) load.Plan {
	rate := float64(quietRate)
	if service.Kind == lab.FlaskGuide {
		rate = 3
	}
	p.WarmUp = either(s, 500*time.Millisecond, time.Second)
	p.Stages = []load.Stage{{Rate: rate, Duration: either(s, 2*time.Second, 4*time.Second)}}
	return p
}

// stream compares the first word of a streamed answer with the stand-in's own,
// and with the whole answers that the baselines give.
func (s *Suite) stream(ctx context.Context) (_ []result.Scenario, err error) {
	set, err := s.set(ctx, guideStandIns, nil, lab.Runtime, lab.FastAPI, lab.Flask)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.clear(set)) }()
	fresh, err := questions(1)
	if err != nil {
		return nil, err
	}
	var plans []load.Plan
	for _, service := range set.services {
		path := ""
		if service.Kind == lab.Runtime {
			path = "/v1/chat/completions"
		}
		p, err := plan(service, path, fresh)
		if err != nil {
			return nil, err
		}
		p.Target.Stream = service.Kind == lab.Runtime
		plans = append(plans, s.atRate(p, service))
	}
	direct := &lab.Service{Process: set.processes[0], Kind: "stand-in", URL: "http://" + set.around.StandIns}
	p, err := plan(direct, "/v1/chat/completions", fresh)
	if err != nil {
		return nil, err
	}
	p.Target.Stream = true
	services := append(set.services, direct)
	runs, err := s.rounds(ctx, services, append(plans, s.atRate(p, direct)), either(s, 2, 3))
	if err != nil {
		return nil, err
	}
	scenario := result.Scenario{Name: Stream}
	for i, service := range services {
		add(&scenario, "first word", "ms", false, service, runs[i], func(m measured) float64 {
			if first := m.Total.FirstToken; first != nil {
				return first.P50Ms
			}
			return m.Total.Latency.P50Ms
		})
		add(&scenario, "whole answer", "ms", false, service, runs[i], p50)
	}
	return []result.Scenario{scenario}, nil
}
