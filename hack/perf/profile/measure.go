package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

// profiler measures ways in a lab.
type profiler struct {
	lab             *lab.Lab
	rounds, clients int
	slice           time.Duration
	out             string
}

// side is one of the two servers that are compared.
type side struct {
	*lab.Service
	plan      load.Plan
	processes *usage.Processes
	micros    []float64 // CPU time of an answer, by round
	counts    counts    // for each answer, of the last round; of the runtime only
}

// counts are what a server did.
type counts struct{ allocations, bytes, collections, commands float64 }

// user is whom the look-ups find.
var user = map[string]json.RawMessage{"user_id": json.RawMessage(`"ada"`)}

func (p *profiler) measure(ctx context.Context, w way) error {
	standIns, address, err := p.lab.StartStandIns(ctx, lab.StandIns{})
	if err != nil {
		return err
	}
	around := lab.Around{StandIns: address, Redis: p.lab.RedisAddress, Profiling: true}
	if w.context {
		around.DSN = p.lab.DSN
	}
	sides, err := p.startBoth(ctx, w, around)
	if err == nil {
		err = p.turns(ctx, w, sides)
	}
	return errors.Join(err, p.stop(standIns, sides))
}

// startBoth starts the runtime first: the bare server finds in Redis what it put
// there.
func (p *profiler) startBoth(ctx context.Context, w way, around lab.Around) (sides []*side, err error) {
	for _, kind := range []lab.Kind{w.kind, w.floor} {
		s, err := p.start(ctx, w, kind, around)
		if err != nil {
			return sides, err
		}
		sides = append(sides, s)
	}
	return sides, nil
}

func (p *profiler) stop(standIns *lab.Process, sides []*side) error {
	var errs []error
	for _, s := range sides {
		errs = append(errs, p.lab.Stop(s.Process))
	}
	return errors.Join(append(errs, p.lab.Stop(standIns))...)
}

func (p *profiler) start(ctx context.Context, w way, kind lab.Kind, around lab.Around) (*side, error) {
	service, err := p.lab.StartService(ctx, kind, around)
	if err != nil {
		return nil, err
	}
	s := &side{Service: service}
	if s.processes, err = usage.NewProcesses(service.PID); err != nil {
		return nil, err
	}
	questions, err := load.GenerateQuestions(1000, 1)
	if err != nil {
		return nil, err
	}
	if questions, err = questions.WithNew(w.newShare); err != nil {
		return nil, err
	}
	target, err := load.ParseTarget(string(kind)+"="+service.URL, load.APIQuery)
	if err != nil {
		return nil, err
	}
	if w.context {
		target.Fields = user
	}
	s.plan = load.Plan{
		Target: target, Questions: questions, Clients: p.clients, InFlight: p.clients, Timeout: 10 * time.Second,
		WarmUp: p.slice / 4, Stages: []load.Stage{{Duration: p.slice}}, Seed: uint64(time.Now().UnixNano()),
	}
	if w.newShare == 0 {
		return s, load.Prime(ctx, target, questions, s.plan.Timeout)
	}
	return s, nil
}

// turns asks both sides in turn, and once more with profiles.
func (p *profiler) turns(ctx context.Context, w way, sides []*side) error {
	for range p.rounds {
		for _, s := range sides {
			if err := p.turn(ctx, s); err != nil {
				return err
			}
		}
	}
	runtime, floor := sides[0], sides[1]
	ratios := make([]float64, p.rounds)
	for i := range ratios {
		ratios[i] = runtime.micros[i] / floor.micros[i]
	}
	fmt.Printf("%-13s CPU of an answer %s µs, of a bare server's %s µs: %s times as much\n", w.name, spread(runtime.micros, 0), spread(floor.micros, 0), spread(ratios, 2))
	c := runtime.counts
	fmt.Printf("%-13s %.1f allocations and %.1f kB for each, %.2f commands to Redis, %.1f collections per 1,000\n", "", c.allocations, c.bytes/1000, c.commands, 1000*c.collections)
	if p.out == "" {
		return nil
	}
	return p.profiles(ctx, w, runtime)
}

// spread is the median, the lowest and the highest.
func spread(values []float64, digits int) string {
	sorted := slices.Sorted(slices.Values(values))
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	return fmt.Sprintf("%s (%s … %s)", f(sorted[len(sorted)/2]), f(sorted[0]), f(sorted[len(sorted)-1]))
}

func (p *profiler) turn(ctx context.Context, s *side) error {
	before, err := p.look(ctx, s)
	if err != nil {
		return err
	}
	began, err := s.processes.CPUSeconds()
	if err != nil {
		return err
	}
	result, err := load.Run(ctx, s.plan)
	if err != nil {
		return err
	}
	ended, err := s.processes.CPUSeconds()
	if err != nil {
		return err
	}
	after, err := p.look(ctx, s)
	if err != nil {
		return err
	}
	if len(result.Total.Failures) > 0 || result.Total.Answered == 0 {
		return fmt.Errorf("%s answered %d of %d questions: %v", s.Kind, result.Total.Answered, result.Total.Questions, result.Total.Failures)
	}
	// The warm-up's answers are not counted, but took as long for each.
	answers := result.Total.AchievedPerSecond * (result.Total.Seconds + s.plan.WarmUp.Seconds())
	s.micros = append(s.micros, 1e6*(ended-began)/answers)
	s.counts = counts{
		allocations: (after.allocations - before.allocations) / answers, bytes: (after.bytes - before.bytes) / answers,
		collections: (after.collections - before.collections) / answers, commands: (after.commands - before.commands) / answers,
	}
	fmt.Fprintf(os.Stderr, "  %s: %.0f answers/s, %.0f µs each, %v\n", s.Kind, result.Total.AchievedPerSecond, s.micros[len(s.micros)-1], result.Total.Cache)
	return nil
}

// look reads the counters of the runtime and of Redis.
func (p *profiler) look(ctx context.Context, s *side) (counts, error) {
	if s.Admin == "" {
		return counts{}, nil
	}
	var c counts
	if err := metrics(ctx, s.Admin, map[string]*float64{
		"go_memstats_mallocs_total": &c.allocations, "go_memstats_alloc_bytes_total": &c.bytes, "go_gc_duration_seconds_count": &c.collections,
	}); err != nil {
		return c, err
	}
	client := redis.NewClient(&redis.Options{Addr: p.lab.RedisAddress})
	defer client.Close()
	stats, err := client.Info(ctx, "stats").Result()
	if err != nil {
		return c, err
	}
	c.commands, err = metric(strings.ReplaceAll(stats, ":", " "), "total_commands_processed")
	return c, err
}

// metrics reads metrics of the runtime at its port for them.
func metrics(ctx context.Context, admin string, wanted map[string]*float64) error {
	body, err := get(ctx, admin+"/metrics")
	if err != nil {
		return err
	}
	for name, into := range wanted {
		if *into, err = metric(string(body), name); err != nil {
			return err
		}
	}
	return nil
}

// metric finds the value that follows a name at the start of a line.
func metric(text, name string) (float64, error) {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("there is no %s", name)
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", url, response.StatusCode)
	}
	return io.ReadAll(response.Body)
}

// profiles writes what pprof reads: CPU time while the runtime is asked, what was
// allocated until then, and what is held in the middle of it.
func (p *profiler) profiles(ctx context.Context, w way, s *side) error {
	plan := s.plan
	plan.Stages = []load.Stage{{Duration: 5 * time.Second}}
	done := make(chan error, 1)
	go func() {
		_, err := load.Run(ctx, plan)
		done <- err
	}()
	err := p.save(ctx, w, s, "profile?seconds=4", "heap", "allocs", "goroutine?debug=1")
	return errors.Join(err, <-done)
}

// save writes profiles, by their paths.
func (p *profiler) save(ctx context.Context, w way, s *side, paths ...string) error {
	files := map[string]string{"profile?seconds=4": "cpu.pprof", "heap": "heap.pprof", "allocs": "allocs.pprof", "goroutine?debug=1": "goroutines.txt"}
	var errs []error
	for _, path := range paths {
		data, err := get(ctx, s.Admin+"/debug/pprof/"+path)
		if err == nil {
			err = os.WriteFile(filepath.Join(p.out, w.name+"-"+files[path]), data, 0o600)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
