package load

import (
	"iter"
	"math/rand/v2"
	"time"
)

// phase is a stage on the run's own clock, which starts at 0.
type phase struct {
	rate       float64
	start, end time.Duration
	warmUp     bool
}

// phases lays the warm-up and the stages out one after another.
func (p *Plan) phases() []phase {
	var out []phase
	var at time.Duration
	if p.WarmUp > 0 {
		out = append(out, phase{rate: p.Stages[0].Rate, end: p.WarmUp, warmUp: true})
		at = p.WarmUp
	}
	for _, s := range p.Stages {
		out = append(out, phase{rate: s.Rate, start: at, end: at + s.Duration})
		at += s.Duration
	}
	return out
}

// arrivals yields the intended start of every question with the index of its
// phase. The times depend on the plan alone, never on the target.
func arrivals(phases []phase, spread Arrivals, seed uint64) iter.Seq2[int, time.Duration] {
	return func(yield func(int, time.Duration) bool) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for i, ph := range phases {
			gap := float64(time.Second) / ph.rate
			if spread == ArrivalsPoisson {
				for at := float64(ph.start) + rng.ExpFloat64()*gap; at < float64(ph.end); at += rng.ExpFloat64() * gap {
					if !yield(i, time.Duration(at)) {
						return
					}
				}
				continue
			}
			// Multiplied out rather than added up, so that no error accumulates.
			for n := 0; ; n++ {
				at := ph.start + time.Duration(float64(n)*gap)
				if at >= ph.end {
					break
				}
				if !yield(i, at) {
					return
				}
			}
		}
	}
}
