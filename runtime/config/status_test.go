package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMergeLoads(t *testing.T) {
	busy := LoadStatus{
		WindowSeconds: 60, Queries: 100, Succeeded: 90, Hits: 45, QueriesPerSecond: 2, QueriesInFlight: 3, MeanSeconds: 0.1,
		Latencies: []LatencyBucket{{0.1, 90}},
	}
	slow := LoadStatus{
		WindowSeconds: 30, Queries: 10, Succeeded: 10, QueriesPerSecond: 1, QueriesInFlight: 1, MeanSeconds: 1,
		Latencies: []LatencyBucket{{0.1, 1}, {2, 9}},
	}
	tests := []struct {
		name  string
		loads []LoadStatus
		want  LoadStatus
	}{
		{name: "none"},
		{name: "idle replicas", loads: []LoadStatus{{WindowSeconds: 60}, {WindowSeconds: 5}}, want: LoadStatus{WindowSeconds: 60}},
		{
			name:  "a busy and a slow replica",
			loads: []LoadStatus{busy, slow},
			want: LoadStatus{
				WindowSeconds: 60, Queries: 110, Succeeded: 100, Hits: 45, QueriesPerSecond: 3, QueriesInFlight: 4,
				MeanSeconds: 0.19, P95Seconds: 2, SuccessRatio: new(100.0 / 110), HitRatio: new(0.45),
				Latencies: []LatencyBucket{{0.1, 91}, {2, 9}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, MergeLoads(tt.loads...)); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}
