package objective

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/usage"
)

func TestParse(t *testing.T) {
	changed := Defaults()
	changed.P95Latency, changed.SuccessRatio, changed.QueriesPerSecond = 500*time.Millisecond, 0.999, 250
	tests := []struct {
		name    string
		text    string
		want    Objectives
		wantErr string
	}{
		{name: "the mapping alone", text: "p95Latency: 500ms\nsuccessRatio: \"0.999\"\nqueriesPerSecond: 250\n", want: changed},
		{name: "JSON", text: `{"p95Latency":"500ms","successRatio":"0.999","queriesPerSecond":250}`, want: changed},
		{name: "a RAGService", text: "apiVersion: rag.ragops.dev/v1alpha1\nkind: RAGService\nmetadata: {name: a}\nspec:\n  objectives: {p95Latency: 500ms, successRatio: \"0.999\", queriesPerSecond: 250}\n", want: changed},
		{name: "a RAGService without any", text: "kind: RAGService\n", want: Defaults()},
		{name: "empty", text: "\n", wantErr: "is empty"},
		{name: "another kind", text: "kind: Pod\n", wantErr: "holds a Pod: want a RAGService"},
		{name: "an unknown field", text: "p95: 2s\n", wantErr: `unknown field "p95"`},
		{name: "no mapping", text: "- 1\n", wantErr: "is no YAML mapping"},
		{name: "a ratio of 1.7", text: `successRatio: "1.7"`, wantErr: `successRatio is "1.7", and must be a ratio between 0 and 1`},
		{name: "no duration", text: "p95Latency: soon\n", wantErr: "soon"},
		{name: "a negative duration", text: "p95Latency: -1s\n", wantErr: "p95Latency is -1s, and must be greater than 0s"},
		{name: "all that is wrong", text: "cpuPercent: 101\nmemoryPercent: -1\n", wantErr: "cpuPercent is 101, and must be between 1 and 100\nmemoryPercent is -1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.text))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	good := load.Summary{
		PlannedPerSecond: 120, OfferedPerSecond: 120, AchievedPerSecond: 119.9,
		Latency: load.Latency{Count: 10, MeanMs: 1000, P95Ms: 2000}, SuccessRatio: new(0.99), HitRatio: new(0.70),
		Usage: &usage.Summary{MeanCores: 0.8, CoresLimit: 1, MaxMemoryBytes: 85, MemoryLimitBytes: 100},
	}
	tests := []struct {
		name   string
		change func(*load.Summary)
		// want lists the objectives that are not met, with their state.
		want map[string]State
	}{
		{name: "each at its bound", change: func(*load.Summary) {}, want: map[string]State{}},
		{name: "rate within a hundredth", change: func(s *load.Summary) { s.AchievedPerSecond = 99.1 }, want: map[string]State{}},
		{name: "rate too low", change: func(s *load.Summary) { s.AchievedPerSecond = 98 }, want: map[string]State{"queriesPerSecond": Missed}},
		{name: "too little offered", change: func(s *load.Summary) { s.PlannedPerSecond, s.OfferedPerSecond, s.AchievedPerSecond = 50, 50, 50 }, want: map[string]State{"queriesPerSecond": NotMeasured}},
		{name: "too little offered, and not even that carried", change: func(s *load.Summary) { s.PlannedPerSecond, s.OfferedPerSecond, s.AchievedPerSecond = 50, 50, 30 }, want: map[string]State{"queriesPerSecond": Missed}},
		{name: "a closed loop that is too slow", change: func(s *load.Summary) { s.PlannedPerSecond, s.OfferedPerSecond, s.AchievedPerSecond = 0, 50, 50 }, want: map[string]State{"queriesPerSecond": Missed}},
		{name: "slow", change: func(s *load.Summary) { s.Latency.MeanMs, s.Latency.P95Ms = 1000.1, 2000.1 }, want: map[string]State{"averageLatency": Missed, "p95Latency": Missed}},
		{name: "failing", change: func(s *load.Summary) { s.SuccessRatio = new(0.98) }, want: map[string]State{"successRatio": Missed}},
		{name: "cold cache", change: func(s *load.Summary) { s.HitRatio = new(0.5) }, want: map[string]State{"cacheHitRatio": Missed}},
		{name: "hot", change: func(s *load.Summary) {
			s.Usage = &usage.Summary{MeanCores: 81, CoresLimit: 100, MaxMemoryBytes: 86, MemoryLimitBytes: 100}
		}, want: map[string]State{"cpuPercent": Missed, "memoryPercent": Missed}},
		{name: "without limits", change: func(s *load.Summary) { s.Usage = &usage.Summary{MeanCores: 81} }, want: map[string]State{"cpuPercent": NotMeasured, "memoryPercent": NotMeasured}},
		{name: "nothing measured", change: func(s *load.Summary) { *s = load.Summary{} }, want: map[string]State{
			"queriesPerSecond": Missed, "averageLatency": NotMeasured, "p95Latency": NotMeasured, "successRatio": NotMeasured,
			"cacheHitRatio": NotMeasured, "cpuPercent": NotMeasured, "memoryPercent": NotMeasured,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			verdict := Defaults().Judge(s)
			if len(verdict) != 7 {
				t.Errorf("%d lines, want 7", len(verdict))
			}
			got := map[string]State{}
			missed := 0
			for _, line := range verdict {
				if line.State != Met {
					got[line.Name] = line.State
				}
				if line.State == Missed {
					missed++
				}
				if line.State == NotMeasured && line.Why == "" {
					t.Errorf("%s was not measured, and nobody says why", line.Name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if n := len(verdict.Missed()); n != missed {
				t.Errorf("%d lines missed, want %d", n, missed)
			}
		})
	}
}
