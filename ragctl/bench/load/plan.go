package load

import (
	"errors"
	"fmt"
	"time"

	"ragops.dev/ragservice/ragctl/bench/usage"
)

// The bounds of a run. They keep a slip of the finger from becoming an attack.
const (
	MaxRate     = 100_000.0
	MaxDuration = time.Hour
	MaxWarmUp   = 10 * time.Minute
	MaxInFlight = 50_000
	MaxTimeout  = 10 * time.Minute
	MaxStages   = 100
)

// Arrivals is how questions are spread over a second.
type Arrivals string

// The spreads.
const (
	// ArrivalsConstant keeps the same distance between any two questions.
	ArrivalsConstant Arrivals = "constant"
	// ArrivalsPoisson draws the distances from an exponential distribution, as
	// many independent users would.
	ArrivalsPoisson Arrivals = "poisson"
)

// Stage is a part of a run at one rate.
type Stage struct {
	// Rate in questions per second; ignored in a closed loop.
	Rate     float64
	Duration time.Duration
}

// Plan is a run.
type Plan struct {
	Target Target
	// Questions to ask.
	Questions *Questions
	// Stages follow each other without a pause; at least one.
	Stages []Stage
	// Arrivals is ArrivalsConstant where it is empty.
	Arrivals Arrivals
	// Clients greater than 0 makes the run a closed loop of so many clients.
	Clients int
	// RampUp is the time over which the clients of a closed loop begin, evenly, from the
	// start of the run; at most WarmUp. Clients that begin all at once keep asking at
	// about the same time, as no users do, for as long as what they ask takes equally
	// long. 0 begins at once.
	RampUp time.Duration
	// WarmUp runs ahead of the first stage at its rate, and is not measured.
	WarmUp time.Duration
	// InFlight bounds the questions in flight. What finds no place waits, its
	// latency running; what still waits when the run ends counts as unsent.
	InFlight int
	// Timeout of one question, from when it is sent.
	Timeout time.Duration
	// Seed makes the choice of questions and Poisson arrivals repeatable.
	Seed uint64
	// Usage measures CPU and memory of the target; nil measures none.
	Usage usage.Sampler
	// Progress is called about once a second, from one goroutine; nil is fine.
	// An answer of false ends the run early, as an interrupt would.
	Progress func(Point) bool
}

// Validate says all that is wrong with the plan.
func (p *Plan) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Target.URL == nil {
		bad("the plan has no target")
	}
	if p.Questions == nil {
		bad("the plan has no questions")
	}
	if len(p.Stages) == 0 || len(p.Stages) > MaxStages {
		bad("a run has between 1 and %d stages, not %d", MaxStages, len(p.Stages))
	}
	var total time.Duration
	for _, s := range p.Stages {
		if p.Clients == 0 && !(s.Rate > 0 && s.Rate <= MaxRate) {
			bad("a rate of %g/s is out of bounds: it must be more than 0 and at most %g", s.Rate, MaxRate)
		}
		if s.Duration <= 0 || s.Duration > MaxDuration {
			bad("a duration of %s is out of bounds: it must be more than 0s and at most %s", s.Duration, MaxDuration)
			break
		}
		total += s.Duration
	}
	if total > MaxDuration {
		bad("the run would take %s, and must not take longer than %s", total, MaxDuration)
	}
	if p.WarmUp < 0 || p.WarmUp > MaxWarmUp {
		bad("a warm-up of %s is out of bounds: it must be between 0s and %s", p.WarmUp, MaxWarmUp)
	}
	if p.RampUp < 0 || p.RampUp > p.WarmUp {
		bad("a ramp-up of %s is out of bounds: it must be between 0s and the warm-up of %s", p.RampUp, p.WarmUp)
	}
	if p.RampUp > 0 && p.Clients == 0 {
		bad("a ramp-up of %s has no clients to begin: it is of a closed loop", p.RampUp)
	}
	if p.Timeout <= 0 || p.Timeout > MaxTimeout {
		bad("a timeout of %s is out of bounds: it must be more than 0s and at most %s", p.Timeout, MaxTimeout)
	}
	if p.InFlight < 1 || p.InFlight > MaxInFlight {
		bad("%d questions in flight are out of bounds: it must be between 1 and %d", p.InFlight, MaxInFlight)
	}
	if p.Clients < 0 || p.Clients > MaxInFlight {
		bad("%d clients are out of bounds: it must be between 0 and %d", p.Clients, MaxInFlight)
	}
	if p.Arrivals != "" && p.Arrivals != ArrivalsConstant && p.Arrivals != ArrivalsPoisson {
		bad("arrivals are %q, and must be %s or %s", p.Arrivals, ArrivalsConstant, ArrivalsPoisson)
	}
	return errors.Join(errs...)
}
