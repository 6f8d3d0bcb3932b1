package scenario

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"ragops.dev/ragservice/hack/perf/bench/lab"
	"ragops.dev/ragservice/hack/perf/bench/result"
	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/trial"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

// measured is a run of one service in one round.
type measured struct {
	*load.Result
	// cores that the service kept busy, and those that this program did, warm-up
	// included.
	cores, generatorCores float64
}

// rounds loads services in turn and returns their runs by service and round.
func (s *Suite) rounds(ctx context.Context, services []*lab.Service, plans []load.Plan, n int) ([][]measured, error) {
	m := &meter{busy: make([][]busy, len(plans))}
	for i, service := range services {
		processes, err := usage.NewProcesses(service.PID)
		if err != nil {
			return nil, err
		}
		plans[i].Usage = processes
		m.services = append(m.services, processes)
	}
	comparison, err := trial.Compare(ctx, plans, n, func(round, target int) {
		m.next(target)
		if target == 0 {
			s.Say("  round %d of %d", round+1, n)
		}
	})
	if err != nil {
		return nil, err
	}
	if comparison.Interrupted {
		return nil, context.Cause(ctx)
	}
	if m.stop(); m.err != nil {
		return nil, m.err
	}
	out := make([][]measured, len(plans))
	for i, results := range comparison.Results {
		for round, r := range results {
			out[i] = append(out[i], measured{r, m.busy[i][round].service, m.busy[i][round].generator})
		}
	}
	return out, nil
}

// busy is how many cores were.
type busy struct{ service, generator float64 }

// meter attributes CPU time to the run of each target, which begins with next. Over
// a whole run it is exact to the hundredth of a second that the kernel counts in.
type meter struct {
	services []*usage.Processes
	busy     [][]busy
	err      error

	running bool
	target  int
	began   time.Time
	at      busy // CPU seconds until then
}

func (m *meter) read(target int) busy {
	seconds, err := m.services[target].CPUSeconds()
	if err != nil {
		m.err = err
	}
	return busy{seconds, ownCPU().Seconds()}
}

func (m *meter) next(target int) {
	m.stop()
	m.running, m.target, m.began, m.at = true, target, time.Now(), m.read(target)
}

func (m *meter) stop() {
	if !m.running {
		return
	}
	now, took := m.read(m.target), time.Since(m.began).Seconds()
	m.busy[m.target] = append(m.busy[m.target], busy{(now.service - m.at.service) / took, (now.generator - m.at.generator) / took})
	m.running = false
}

// ownCPU is the CPU time of this program, without those that it started.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// add notes one figure of every round of a service.
func add(to *result.Scenario, name, unit string, higherIsBetter bool, service *lab.Service, runs []measured, value func(measured) float64) {
	row := result.Row{Service: string(service.Kind), Note: failures(runs)}
	for _, run := range runs {
		row.Values = append(row.Values, value(run))
	}
	to.Add(name, unit, higherIsBetter, row)
}

// failures says in words which share of a service's questions failed, and how.
func failures(runs []measured) string {
	counts := map[load.FailureKind]int64{}
	var answered, failed int64
	for _, run := range runs {
		answered += run.Total.Answered
		for _, f := range run.Total.Failures {
			counts[f.Kind] += f.Count
			failed += f.Count
		}
	}
	if failed == 0 {
		return ""
	}
	var most load.FailureKind
	for kind, n := range counts {
		if most == "" || n > counts[most] || n == counts[most] && kind < most {
			most = kind
		}
	}
	share := 100 * float64(failed) / float64(answered+failed)
	return fmt.Sprintf("%s %% failed, most: %s", result.Number(share), most.Explain())
}

// The figures that several scenarios give.

func perSecond(m measured) float64 { return m.Total.AchievedPerSecond }
func p50(m measured) float64       { return m.Total.Latency.P50Ms }
func p99(m measured) float64       { return m.Total.Latency.P99Ms }
func generator(m measured) float64 { return m.generatorCores }

func cores(m measured) float64 { return m.cores }

// hits is a percentage; 0 where no answer said.
func hits(m measured) float64 {
	if m.Total.HitRatio == nil {
		return 0
	}
	return 100 * *m.Total.HitRatio
}

// cpuPer1000 is the CPU time that a service takes for a thousand answers.
func cpuPer1000(m measured) float64 {
	if m.Total.AchievedPerSecond == 0 {
		return 0
	}
	return 1000 * m.cores / m.Total.AchievedPerSecond
}
