// Package scenario is what make bench measures: each scenario starts the services
// that it compares, loads them in turn, and stops them. Figures that are compared
// come from the same run, in rounds in which every service has its turn. It
// prints nothing but progress, and writes no file.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
)

// The names of the scenarios, in the order in which they run.
const (
	HitLocal   = "hit-local"
	HitRedis   = "hit-redis"
	Lookups    = "lookups"
	Miss       = "miss"
	Stream     = "stream"
	Mixed      = "mixed"
	InFlight1k = "in-flight-1000"
	InFlight5k = "in-flight-5000"
	Start      = "start"
	Size       = "size"
	RedisGet   = "redis-get"
)

// The latencies of the guide.
const (
	modelLatency     = 100 * time.Millisecond
	embeddingLatency = 50 * time.Millisecond
	vectorLatency    = 200 * time.Millisecond
)

// guideStandIns take as long as the guide says.
var guideStandIns = lab.StandIns{Model: modelLatency, Embedding: embeddingLatency, Vector: vectorLatency}

// Suite runs scenarios in a lab.
type Suite struct {
	Lab *lab.Lab
	// Quick shortens every scenario, for a look at whether all of it works.
	Quick bool
	// Say reports progress.
	Say func(format string, args ...any)
}

// group is what runs together, and the scenarios that it gives.
type group struct {
	names []string
	run   func(*Suite, context.Context) ([]result.Scenario, error)
}

var groups = []group{
	{[]string{HitLocal, HitRedis}, (*Suite).hits},
	{[]string{RedisGet}, (*Suite).redisGet},
	{[]string{Lookups}, (*Suite).lookups},
	{[]string{Miss}, (*Suite).miss},
	{[]string{Stream}, (*Suite).stream},
	{[]string{Mixed}, (*Suite).mixed},
	{[]string{InFlight1k}, func(s *Suite, ctx context.Context) ([]result.Scenario, error) {
		return s.inFlight(ctx, InFlight1k, 1000)
	}},
	{[]string{InFlight5k}, func(s *Suite, ctx context.Context) ([]result.Scenario, error) {
		return s.inFlight(ctx, InFlight5k, 5000)
	}},
	{[]string{Start}, (*Suite).start},
	{[]string{Size}, (*Suite).size},
}

// Names are all scenarios.
func Names() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.names...)
	}
	return names
}

// Run runs the scenarios of the given names, all where there are none.
func (s *Suite) Run(ctx context.Context, only ...string) ([]result.Scenario, error) {
	for _, name := range only {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("there is no scenario %q: choose among %v", name, Names())
		}
	}
	var all []result.Scenario
	for _, g := range groups {
		wanted := len(only) == 0 || slices.ContainsFunc(g.names, func(name string) bool { return slices.Contains(only, name) })
		if !wanted {
			continue
		}
		began := time.Now()
		s.Say("%v", g.names)
		got, err := g.run(s, ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.names[0], err)
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", g.names[0], err)
		}
		s.Say("%v took %.0f s", g.names, time.Since(began).Seconds())
		all = append(all, got...)
	}
	return all, nil
}

// setting is a scenario's surroundings and its services.
type setting struct {
	around    lab.Around
	services  []*lab.Service
	processes []*lab.Process
}

// set empties Redis and starts stand-ins and services.
func (s *Suite) set(ctx context.Context, standIns lab.StandIns, change func(*lab.Around), kinds ...lab.Kind) (*setting, error) {
	if err := s.emptyRedis(ctx); err != nil {
		return nil, err
	}
	p, address, err := s.Lab.StartStandIns(ctx, standIns)
	if err != nil {
		return nil, err
	}
	set := &setting{around: lab.Around{StandIns: address, Redis: s.Lab.RedisAddress, DSN: s.Lab.DSN}, processes: []*lab.Process{p}}
	if change != nil {
		change(&set.around)
	}
	for _, kind := range kinds {
		service, err := s.Lab.StartService(ctx, kind, set.around)
		if err != nil {
			return nil, errors.Join(err, s.clear(set))
		}
		set.services = append(set.services, service)
		set.processes = append(set.processes, service.Process)
	}
	return set, nil
}

// clear stops what set started.
func (s *Suite) clear(set *setting) error { return s.Lab.Stop(set.processes...) }

func (s *Suite) emptyRedis(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: s.Lab.RedisAddress})
	defer client.Close()
	return client.FlushAll(ctx).Err()
}

// plan is the part that plans share: questions of a shop, as Zipf has them.
func plan(service *lab.Service, path string, questions *load.Questions) (load.Plan, error) {
	target, err := load.ParseTarget(string(service.Kind)+"="+service.URL+path, "")
	return load.Plan{
		Target: target, Questions: questions, Seed: 1, InFlight: load.MaxInFlight, Timeout: 30 * time.Second,
	}, err
}

// askedQuestions is how many different questions are asked again and again.
const askedQuestions = 1000

// questions returns a set of which a share was never asked before.
func questions(newShare float64) (*load.Questions, error) {
	set, err := load.GenerateQuestions(askedQuestions, 1)
	if err != nil {
		return nil, err
	}
	return set.WithNew(newShare)
}

// either chooses by how long the run may take.
func either[T any](s *Suite, quick, full T) T {
	if s.Quick {
		return quick
	}
	return full
}
