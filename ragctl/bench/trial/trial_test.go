package trial

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
)

func planFor(t *testing.T, url string, rate float64, duration time.Duration) load.Plan {
	t.Helper()
	target, err := load.ParseTarget(url, "")
	if err != nil {
		t.Fatal(err)
	}
	questions, err := load.GenerateQuestions(10, 0)
	if err != nil {
		t.Fatal(err)
	}
	return load.Plan{
		Target: target, Questions: questions, InFlight: 1000, Timeout: 5 * time.Second,
		Stages: []load.Stage{{Rate: rate, Duration: duration}},
	}
}

// slowServer answers after a while; places bounds how many it works on at once,
// 0 for no bound.
func slowServer(t *testing.T, latency time.Duration, places int) *httptest.Server {
	t.Helper()
	free := make(chan struct{}, places)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if places > 0 {
			free <- struct{}{}
			defer func() { <-free }()
		}
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, `{"answer":"a"}`)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestCompareFindsTheRatio(t *testing.T) {
	fast, slow := slowServer(t, 40*time.Millisecond, 0), slowServer(t, 160*time.Millisecond, 0)
	plans := []load.Plan{
		planFor(t, "fast="+fast.URL, 50, 300*time.Millisecond),
		planFor(t, "slow="+slow.URL, 50, 300*time.Millisecond),
	}
	var order []int
	got, err := Compare(t.Context(), plans, 3, func(_, target int) { order = append(order, target) })
	if err != nil {
		t.Fatal(err)
	}
	if want := "[0 1 1 0 1 0]"; fmt.Sprint(order) != want {
		t.Errorf("the order is %v, want %s", order, want)
	}
	if got.Rounds != 3 || fmt.Sprint(got.Targets) != "[fast slow]" {
		t.Errorf("%d rounds of %v", got.Rounds, got.Targets)
	}
	seen := map[string]Metric{}
	for _, m := range got.Metrics {
		seen[m.Name] = m
	}
	ratio := seen["p50 latency"].Ratios[1]
	if ratio == nil || math.Abs(ratio.Value/4-1) > 0.4 || !ratio.Certain() || ratio.Low > ratio.Value || ratio.High < ratio.Value {
		t.Errorf("the ratio of p50 is %+v, want about 4 with its bounds around it", ratio)
	}
	if seen["p50 latency"].Ratios[0] != nil {
		t.Error("the first target has a ratio to itself")
	}
	if _, measured := seen["CPU"]; measured {
		t.Error("CPU was not measured and is compared")
	}
}

func TestCompareInterrupted(t *testing.T) {
	server := slowServer(t, time.Millisecond, 0)
	plans := []load.Plan{planFor(t, server.URL, 50, 100*time.Millisecond), planFor(t, server.URL, 50, 100*time.Millisecond)}
	for _, tt := range []struct {
		name    string
		at      int
		rounds  int
		wantErr string
	}{
		{name: "in the third round", at: 2, rounds: 2},
		{name: "in the first", at: 0, wantErr: "interrupted before the first round was whole"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			got, err := Compare(ctx, plans, 50, func(round, _ int) {
				if round == tt.at {
					interrupt()
				}
			})
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Rounds != tt.rounds || !got.Interrupted {
				t.Errorf("%d rounds, interrupted %t; want %d, true", got.Rounds, got.Interrupted, tt.rounds)
			}
		})
	}
}

func TestCompareBounds(t *testing.T) {
	plan := planFor(t, "http://localhost", 1, time.Second)
	if _, err := Compare(t.Context(), []load.Plan{plan}, 1, nil); err == nil || !strings.Contains(err.Error(), "between 2 and 8 targets") {
		t.Errorf("the error is %v", err)
	}
	if _, err := Compare(t.Context(), []load.Plan{plan, plan}, 0, nil); err == nil || !strings.Contains(err.Error(), "0 rounds are out of bounds") {
		t.Errorf("the error is %v", err)
	}
}

// Four places of 20 ms each carry 200 questions a second.
func TestFindCapacity(t *testing.T) {
	server := slowServer(t, 20*time.Millisecond, 4)
	objectives := objective.Defaults()
	objectives.AverageLatency, objectives.P95Latency = 100*time.Millisecond, 150*time.Millisecond
	var tried atomic.Int64
	got, err := FindCapacity(t.Context(), Search{
		Plan: planFor(t, server.URL, 40, 700*time.Millisecond), Objectives: objectives, Most: 5000, Precision: 0.3,
		Tried: func(Trial) { tried.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.PerSecond < 100 || got.PerSecond > 300 || got.AtLeast || got.Interrupted {
		t.Errorf("the capacity is %+v, want about 200/s", got)
	}
	if int(tried.Load()) != len(got.Trials) {
		t.Errorf("told of %d trials, and there were %d", tried.Load(), len(got.Trials))
	}
	for _, trial := range got.Trials {
		if trial.Held != (trial.Why == "") {
			t.Errorf("a trial held (%t) because of %q", trial.Held, trial.Why)
		}
	}
}

func TestCapacityEndsAtTheHighestRate(t *testing.T) {
	server := slowServer(t, time.Millisecond, 0)
	got, err := FindCapacity(t.Context(), Search{
		Plan: planFor(t, server.URL, 40, 200*time.Millisecond), Objectives: objective.Defaults(), Most: 60, Precision: 0.1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.PerSecond != 60 || !got.AtLeast {
		t.Errorf("the capacity is %+v, want at least 60/s", got)
	}
}

func TestCapacityOfATargetThatFails(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	got, err := FindCapacity(t.Context(), Search{
		Plan: planFor(t, server.URL, 2, 100*time.Millisecond), Objectives: objective.Defaults(), Most: 60, Precision: 0.1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.PerSecond != 0 || len(got.Trials) == 0 || !strings.Contains(got.Trials[0].Why, "successRatio") {
		t.Errorf("the capacity is %+v, want none for want of success", got)
	}
}

// The bounds of three ratios, worked out by hand: logarithms 0.5 apart around
// ln 2, so a standard error of 0.5/√3 and Student's 4.303.
func TestRatio(t *testing.T) {
	got := PairedRatio([]float64{2 * math.Exp(-0.5), 2, 2 * math.Exp(0.5)}, []float64{1, 1, 1})
	half := 4.303 * 0.5 / math.Sqrt(3)
	for _, check := range [][2]float64{{got.Value, 2}, {got.Low, 2 * math.Exp(-half)}, {got.High, 2 * math.Exp(half)}} {
		if math.Abs(check[0]/check[1]-1) > 1e-9 {
			t.Errorf("got %v, want %v", check[0], check[1])
		}
	}
	if PairedRatio([]float64{1, 0}, []float64{1, 1}) != nil {
		t.Error("zero has a ratio")
	}
	if one := PairedRatio([]float64{3}, []float64{1}); math.Abs(one.Value-3) > 1e-9 || one.High != 0 || one.Certain() {
		t.Errorf("one round gave %+v", one)
	}
	// From tables: 11, 20, 60 degrees of freedom.
	for df, want := range map[int]float64{11: 2.201, 20: 2.086, 60: 2.000} {
		if got := studentT95(df); math.Abs(got-want) > 0.002 {
			t.Errorf("t of %d degrees is %.4f, want %.3f", df, got, want)
		}
	}
}
