package trial

import (
	"context"
	"fmt"
	"math"
	"time"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
)

// The precision of a search when nobody says otherwise, and the pause after a
// rate that was too high, in which the target works off what it still holds.
const (
	DefaultPrecision = 0.05
	settle           = 500 * time.Millisecond
)

// Search is how to find the capacity of a target.
type Search struct {
	// Plan of each trial; its first stage's rate is where the search begins.
	Plan load.Plan
	// Objectives that must hold. QueriesPerSecond is replaced by the rate of the
	// trial, and what was not measured does not count.
	Objectives objective.Objectives
	// Most is the highest rate that is tried.
	Most float64
	// Precision is by how much the highest rate that held and the lowest that did
	// not may differ, as a share.
	Precision float64
	// Tried is told of each trial; nil is fine.
	Tried func(Trial)
}

// Trial is one rate that was tried.
type Trial struct {
	PerSecond float64      `json:"perSecond"`
	Held      bool         `json:"held"`
	Why       string       `json:"why,omitempty"`
	Summary   load.Summary `json:"summary"`
}

// Capacity is the highest rate at which the objectives held.
type Capacity struct {
	Target    string  `json:"target"`
	PerSecond float64 `json:"perSecond"`
	// AtLeast says that even the highest rate tried held.
	AtLeast bool `json:"atLeast,omitempty"`
	// Interrupted says that the search ended early; PerSecond held all the same.
	Interrupted bool    `json:"interrupted,omitempty"`
	Trials      []Trial `json:"trials"`
}

// FindCapacity doubles the rate until the objectives are missed, then halves the
// gap between what held and what did not. A rate counts as missed when it missed
// twice, so that one hiccup of the machine does not end the search.
func FindCapacity(ctx context.Context, search Search) (*Capacity, error) {
	if !(search.Precision >= 0.005 && search.Precision <= 1) {
		return nil, fmt.Errorf("a precision of %g is out of bounds: it must be between 0.005 and 1", search.Precision)
	}
	if !(search.Most > 0 && search.Most <= load.MaxRate) {
		return nil, fmt.Errorf("a highest rate of %g/s is out of bounds: it must be more than 0 and at most %g", search.Most, load.MaxRate)
	}
	if search.Plan.Clients > 0 || len(search.Plan.Stages) != 1 {
		return nil, fmt.Errorf("the capacity is found with an open loop of one stage")
	}
	found := &Capacity{Target: search.Plan.Target.Name}
	rate := min(search.Plan.Stages[0].Rate, search.Most)
	missed := math.Inf(1)
	for {
		held, interrupted, err := search.tryTwice(ctx, found, rate)
		if err != nil {
			return nil, err
		}
		if interrupted {
			found.Interrupted = true
			return found, nil
		}
		if held {
			found.PerSecond = rate
		} else {
			missed = rate
		}
		switch {
		case found.PerSecond == search.Most:
			found.AtLeast = true
			return found, nil
		case found.PerSecond > 0 && missed <= found.PerSecond*(1+search.Precision), missed < 1:
			return found, nil
		case math.IsInf(missed, 1):
			rate = min(2*rate, search.Most)
		case found.PerSecond == 0:
			rate = missed / 4
		default:
			rate = math.Sqrt(found.PerSecond * missed)
		}
	}
}

func (s *Search) tryTwice(ctx context.Context, found *Capacity, rate float64) (held, interrupted bool, err error) {
	for range 2 {
		trial, err := s.try(ctx, rate)
		if err != nil {
			return false, false, err
		}
		if trial == nil {
			return false, true, nil
		}
		found.Trials = append(found.Trials, *trial)
		if s.Tried != nil {
			s.Tried(*trial)
		}
		if trial.Held {
			return true, false, nil
		}
		select {
		case <-time.After(settle):
		case <-ctx.Done():
			return false, true, nil
		}
	}
	return false, false, nil
}

// try returns nil, and no error, where ctx ended.
func (s *Search) try(ctx context.Context, rate float64) (*Trial, error) {
	plan := s.Plan
	plan.Stages = []load.Stage{{Rate: rate, Duration: s.Plan.Stages[0].Duration}}
	trial := &Trial{PerSecond: rate}
	// By Little's law the questions in flight are the rate times their latency, so
	// many more than the objective allows will not be answered in time; and what
	// fails is not won back. There is no use in piling up more.
	tooMany := 64 + int64(1.5*rate*s.Objectives.P95Latency.Seconds())
	plan.Progress = func(p load.Point) bool {
		if s.Plan.Progress != nil && !s.Plan.Progress(p) {
			return false
		}
		switch {
		case p.Draining:
		case p.InFlight > tooMany:
			trial.Why = fmt.Sprintf("ended early: %d in flight", p.InFlight)
		case p.FailedPerSecond > 0.5*rate:
			trial.Why = fmt.Sprintf("ended early: %.0f/s failed", p.FailedPerSecond)
		}
		return trial.Why == ""
	}
	result, err := load.Run(ctx, plan)
	if err != nil {
		return nil, err
	}
	if result.Interrupted && trial.Why == "" {
		return nil, nil
	}
	trial.Summary = result.Total
	if trial.Why != "" {
		return trial, nil
	}
	objectives := s.Objectives
	objectives.QueriesPerSecond = rate
	for _, line := range objectives.Judge(result.Total).Missed() {
		trial.Why += fmt.Sprintf("%s %s, want %s; ", line.Name, line.Observed, line.Target)
	}
	trial.Held = trial.Why == ""
	return trial, nil
}
