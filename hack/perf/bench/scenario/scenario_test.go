package scenario

import (
	"context"
	"strings"
	"testing"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

func TestCSVRate(t *testing.T) {
	// As redis-benchmark 7 prints it.
	const out = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"get answer","54112.55","0.604","0.176","0.575","0.911","1.143","2.711"
`
	if got, err := csvRate(out); err != nil || got != 54112.55 {
		t.Errorf("got %v, %v; want 54112.55", got, err)
	}
	if _, err := csvRate("Could not connect"); err == nil {
		t.Error("what is no table is no error")
	}
}

func TestFailuresInWords(t *testing.T) {
	run := func(answered int64, failures ...load.FailureCount) measured {
		return measured{Result: &load.Result{Total: load.Summary{Answered: answered, Failures: failures}}}
	}
	tests := []struct {
		name string
		runs []measured
		want string
	}{
		{"none", []measured{run(10)}, ""},
		{"some", []measured{run(90, load.FailureCount{Kind: load.FailureServer, Count: 4}), run(0, load.FailureCount{Kind: load.FailureTimeout, Count: 6})},
			"10 % failed, most: no whole answer within the timeout"},
		{"all", []measured{run(0, load.FailureCount{Kind: load.FailureRefused, Count: 6})}, "100 % failed, most: nothing listens"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := failures(tt.runs); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	c := &trial.Capacity{PerSecond: 100, Trials: []trial.Trial{
		{PerSecond: 100, Held: true}, {PerSecond: 400, Why: "far off; "}, {PerSecond: 200, Why: "p95Latency 3 s, want 2 s; "},
	}}
	if got, want := limit(c), "at 200/s: p95Latency 3 s, want 2 s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUnknownScenario(t *testing.T) {
	s := &Suite{Say: t.Logf}
	if _, err := s.Run(context.Background(), "hit-local", "hits"); err == nil || !strings.Contains(err.Error(), `there is no scenario "hits"`) {
		t.Errorf("the error is %v", err)
	}
}
