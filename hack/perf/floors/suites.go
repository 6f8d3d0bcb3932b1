package main

import (
	"context"
	"slices"
)

// suite measures floors that come out of one arrangement of processes.
type suite struct {
	floors []string
	// run returns what each round gave, by floor.
	run func(ctx context.Context, l *lab) (figures, error)
}

// figures are one number per round, by floor.
type figures map[string][]float64

func (f figures) add(floor string, value float64) { f[floor] = append(f[floor], value) }

var suites = []suite{
	{[]string{"hit-local"}, hitLocal},
	{[]string{"hit-redis"}, hitRedis},
	{[]string{"miss-overhead"}, missOverhead},
	{[]string{"in-flight-p95", "in-flight-failed", "in-flight-memory"}, inFlight},
	{[]string{"start", "idle-memory"}, startAndRest},
	{[]string{"memory-search"}, memorySearch},
}

// suiteOf returns the suite that measures a floor; nil for none.
func suiteOf(name string) *suite {
	i := slices.IndexFunc(suites, func(s suite) bool { return slices.Contains(s.floors, name) })
	if i < 0 {
		return nil
	}
	return &suites[i]
}
