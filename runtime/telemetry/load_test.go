package telemetry

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ragops.dev/ragservice/runtime/config"
)

func TestLoad(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name   string
		record func(l *load)
		now    int
		want   config.LoadStatus
	}{
		{name: "just started", record: func(*load) {}, want: config.LoadStatus{WindowSeconds: 1}},
		{
			name: "answers, hits and failures",
			record: func(l *load) {
				for i := range 10 {
					l.answered(at(i), 100*time.Millisecond, i < 6)
					l.failed(at(i))
				}
			},
			now: 10,
			want: config.LoadStatus{
				WindowSeconds: 10, Queries: 20, Succeeded: 10, Hits: 6, QueriesPerSecond: 2, MeanSeconds: 0.1, P95Seconds: 0.1,
				SuccessRatio: new(0.5), HitRatio: new(0.6),
			},
		},
		{
			name:   "the present second is not over",
			record: func(l *load) { l.answered(at(5), time.Second, false) },
			now:    5,
			want:   config.LoadStatus{WindowSeconds: 5},
		},
		{
			name: "older than the window",
			record: func(l *load) {
				l.answered(at(0), time.Second, false)
				l.answered(at(60), time.Second, false)
			},
			now: 61,
			want: config.LoadStatus{
				WindowSeconds: 60, Queries: 1, Succeeded: 1, QueriesPerSecond: 1.0 / 60, MeanSeconds: 1, P95Seconds: 1,
				SuccessRatio: new(1.0), HitRatio: new(0.0),
			},
		},
		{
			name: "the p95 is that of the slow ones",
			record: func(l *load) {
				for range 90 {
					l.answered(at(1), time.Millisecond, true)
				}
				for range 10 {
					l.answered(at(1), 3*time.Second, false)
				}
			},
			now: 2,
			want: config.LoadStatus{
				WindowSeconds: 2, Queries: 100, Succeeded: 100, Hits: 90, QueriesPerSecond: 50, MeanSeconds: 0.3009, P95Seconds: 3,
				SuccessRatio: new(1.0), HitRatio: new(0.9),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLoad(start)
			tt.record(l)
			got := l.read(at(tt.now))
			// A bucket's bound is at most 9 % above the latencies in it.
			near := cmpopts.EquateApprox(0.1, 0)
			if diff := cmp.Diff(tt.want, got, near, cmpopts.IgnoreFields(config.LoadStatus{}, "Latencies")); diff != "" {
				t.Errorf("load (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLatencyBucketsCoverAllLatencies(t *testing.T) {
	for _, took := range []time.Duration{-time.Second, 0, 1, time.Microsecond, time.Millisecond, time.Second, time.Minute, 100 * time.Hour} {
		bound := latencyBound(latencyBucket(took))
		switch {
		case took > 100*time.Second:
			continue // the last bucket takes whatever is longer
		case bound < took.Seconds()*0.999:
			t.Errorf("%s lies in the bucket up to %vs", took, bound)
		case took > time.Millisecond && bound > took.Seconds()*1.1:
			t.Errorf("%s lies in the bucket up to %vs, which is too wide", took, bound)
		}
	}
}
