package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/ragctl/bench/load"
)

const (
	// The model writes while memory is looked at, when all questions wait for it.
	modelWrites = 5 * time.Second
	lookAfter   = 4 * time.Second
)

// held is what a service holds for each question in flight, in kB but for the
// goroutines. Only the memory is known of the bare server.
type held struct{ memory, stacks, heap, goroutines float64 }

// measureInFlight has questions wait for the model and looks at what each of them
// takes. Every round has processes of its own: memory is not given back at once.
func (p *profiler) measureInFlight(ctx context.Context, w way) error {
	var runtime, floor, ratios []float64
	var last held
	for range p.rounds {
		both, err := p.holdBoth(ctx, w)
		if err != nil {
			return err
		}
		last = both[0]
		runtime, floor = append(runtime, both[0].memory), append(floor, both[1].memory)
		ratios = append(ratios, both[0].memory/both[1].memory)
	}
	fmt.Printf("%-13s a question holds %s kB, of a bare server %s kB: %s times as much\n", w.name, spread(runtime, 0), spread(floor, 0), spread(ratios, 2))
	fmt.Printf("%-13s %.1f kB of stacks and %.1f kB of the heap for each, %.2f goroutines\n", "", last.stacks, last.heap, last.goroutines)
	return nil
}

func (p *profiler) holdBoth(ctx context.Context, w way) (both []held, err error) {
	standIns, address, err := p.lab.StartStandIns(ctx, lab.StandIns{Model: modelWrites})
	if err != nil {
		return nil, err
	}
	sides, err := p.startBoth(ctx, w, lab.Around{StandIns: address, Redis: p.lab.RedisAddress, Profiling: true})
	for _, s := range sides {
		if err != nil {
			break
		}
		var h held
		h, err = p.hold(ctx, w, s)
		both = append(both, h)
	}
	return both, errors.Join(err, p.stop(standIns, sides))
}

func (p *profiler) hold(ctx context.Context, w way, s *side) (held, error) {
	idle, err := s.holds(ctx)
	if err != nil {
		return held{}, err
	}
	plan := s.plan
	plan.Clients, plan.InFlight, plan.WarmUp = w.inFlight, w.inFlight, 0
	plan.Stages = []load.Stage{{Duration: lookAfter}}
	done := make(chan error, 1)
	go func() {
		result, err := load.Run(ctx, plan)
		if err == nil && (len(result.Total.Failures) > 0 || result.Total.MostInFlight < int64(w.inFlight)) {
			err = fmt.Errorf("%s: %d in flight, %v", s.Kind, result.Total.MostInFlight, result.Total.Failures)
		}
		done <- err
	}()
	time.Sleep(lookAfter)
	busy, err := s.holds(ctx)
	if err == nil && p.out != "" && s.Admin != "" {
		err = p.save(ctx, w, s, "goroutine?debug=1", "heap")
	}
	each := func(busy, idle float64) float64 { return (busy - idle) / float64(w.inFlight) }
	return held{
		each(busy.memory, idle.memory), each(busy.stacks, idle.stacks), each(busy.heap, idle.heap), each(busy.goroutines, idle.goroutines),
	}, errors.Join(err, <-done)
}

// holds is what the service holds in all.
func (s *side) holds(ctx context.Context) (held, error) {
	var h held
	for range 2 { // the first only begins an interval
		sample, err := s.processes.Sample(ctx)
		if err != nil {
			return h, err
		}
		if sample != nil {
			h.memory = float64(sample.MemoryBytes) / 1000
		}
		time.Sleep(10 * time.Millisecond)
	}
	if s.Admin == "" {
		return h, nil
	}
	err := metrics(ctx, s.Admin, map[string]*float64{
		"go_memstats_stack_inuse_bytes": &h.stacks, "go_memstats_heap_inuse_bytes": &h.heap, "go_goroutines": &h.goroutines,
	})
	h.stacks, h.heap = h.stacks/1000, h.heap/1000
	return h, err
}
