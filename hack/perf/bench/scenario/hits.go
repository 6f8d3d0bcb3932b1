package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
)

// hitClients ask side by side in a closed loop.
const hitClients = 64

// hits has every question in the cache: how many a second does a core serve?
func (s *Suite) hits(ctx context.Context) (_ []result.Scenario, err error) {
	// The baselines come first: the floor finds in Redis what they put there.
	kinds := []lab.Kind{lab.FastAPI, lab.FastAPIGuide, lab.Flask, lab.FlaskGuide, lab.Runtime, lab.RuntimeRedis, lab.FloorMemory, lab.FloorRedis}
	set, err := s.set(ctx, lab.StandIns{}, func(a *lab.Around) { a.DSN = "" }, kinds...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.clear(set)) }()
	all, err := questions(0)
	if err != nil {
		return nil, err
	}
	var plans []load.Plan
	for _, service := range set.services {
		p, err := plan(service, "", all)
		if err != nil {
			return nil, err
		}
		if err := load.Prime(ctx, p.Target, all, p.Timeout); err != nil {
			return nil, err
		}
		p.Clients, p.WarmUp = hitClients, either(s, 500*time.Millisecond, time.Second)
		p.Stages = []load.Stage{{Duration: either(s, 1500*time.Millisecond, 3*time.Second)}}
		plans = append(plans, p)
	}
	runs, err := s.rounds(ctx, set.services, plans, either(s, 2, 5))
	if err != nil {
		return nil, err
	}
	local, inRedis := result.Scenario{Name: HitLocal}, result.Scenario{Name: HitRedis}
	for i, service := range set.services {
		if slices.Contains([]lab.Kind{lab.RuntimeRedis, lab.FloorRedis}, service.Kind) {
			addHits(&inRedis, service, runs[i])
			continue
		}
		addHits(&local, service, runs[i])
		// The baselines have no other tier than Redis.
		if service.Kind != lab.Runtime && service.Kind != lab.FloorMemory {
			addHits(&inRedis, service, runs[i])
		}
	}
	return []result.Scenario{local, inRedis}, nil
}

func addHits(to *result.Scenario, service *lab.Service, runs []measured) {
	add(to, "answers", "/s", true, service, runs, perSecond)
	add(to, "CPU per 1,000 answers", "s", false, service, runs, cpuPer1000)
	add(to, "p50", "ms", false, service, runs, p50)
	add(to, "p99", "ms", false, service, runs, p99)
	add(to, "cores of the service", "", false, service, runs, cores)
	add(to, "cores of the generator", "", false, service, runs, generator)
	add(to, "hit ratio", "%", true, service, runs, hits)
}

// redisGet is for scale: what Redis itself does with a core and a value of the
// size of an answer, by its own benchmark.
func (s *Suite) redisGet(ctx context.Context) (_ []result.Scenario, err error) {
	p, address, err := s.Lab.Redis(ctx, s.Lab.ServiceCores)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Lab.Stop(p)) }()
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	if err := client.Set(ctx, "answer", strings.Repeat("x", 3<<10), 0).Err(); err != nil {
		return nil, err
	}
	row := result.Row{Service: "redis"}
	for range either(s, 2, 5) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		args := []string{"redis-benchmark", "-h", host, "-p", port, "-c", strconv.Itoa(hitClients), "-n", either(s, "50000", "200000"), "--csv", "get", "answer"}
		if s.Lab.OtherCores != "" {
			args = append([]string{"taskset", "-c", s.Lab.OtherCores}, args...)
		}
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
		if err != nil {
			return nil, fmt.Errorf("redis-benchmark: %w", err)
		}
		rate, err := csvRate(string(out))
		if err != nil {
			return nil, err
		}
		row.Values = append(row.Values, rate)
	}
	scenario := result.Scenario{Name: RedisGet}
	scenario.Add("answers", "/s", true, row)
	return []result.Scenario{scenario}, nil
}

// csvRate reads the requests per second that redis-benchmark --csv prints in the
// second column of its last line.
func csvRate(out string) (float64, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	cells := strings.Split(lines[len(lines)-1], `","`)
	if len(cells) < 2 {
		return 0, fmt.Errorf("redis-benchmark printed %q", out)
	}
	return strconv.ParseFloat(strings.Trim(cells[1], `"`), 64)
}
