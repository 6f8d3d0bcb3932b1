package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ragops.dev/ragservice/hack/perf/page"
)

// baseServices is what the memory of more services is compared with.
const baseServices = 100

// The floors.
const (
	// mostRatio is how many times as long as a bare client the operator may take.
	mostRatio = 1.5
	// mostPerService is the memory of each service beyond the first hundred.
	mostPerService = 60_000
	// mostWithSecrets is how many times the memory of before it may be with Secrets
	// that concern nobody.
	mostWithSecrets = 1.1
)

// section is the part of the page with the table.
var section = page.Section{Begin: "<!-- controlplane: written by make bench-controlplane -->", End: "<!-- end of controlplane -->"}

// Result is what was measured.
type Result struct {
	Cores       int `json:"cores"`
	Concurrency int `json:"concurrency"`
	// Children is how many objects each service has.
	Children    int     `json:"childrenOfEach"`
	IdleSeconds float64 `json:"idleSeconds"`
	Base        Base    `json:"base"`
	Runs        []Run   `json:"runs"`
}

// Base is the run with a hundred services.
type Base struct {
	// Memory after the services were completed and nothing happened for a while.
	Memory Memory `json:"memory"`
	// Secrets of 10 kB that were made then, and what the operator takes with them:
	// the one that runs, and one that starts, beside one that starts before.
	Secrets              int    `json:"secrets,omitempty"`
	WithSecrets          Memory `json:"withSecrets"`
	Restarted            Memory `json:"restarted"`
	RestartedWithSecrets Memory `json:"restartedWithSecrets"`
}

// Memory is that of the operator's process.
type Memory struct {
	ResidentBytes int64 `json:"residentBytes"`
	PeakBytes     int64 `json:"peakBytes"`
	// HeapBytes is what is alive after a collection.
	HeapBytes int64 `json:"heapBytes"`
}

// Run is one size.
type Run struct {
	Services int `json:"services"`
	// Seconds until all services are complete, by the operator and by the bare
	// client, in the round with the median ratio.
	Seconds     float64 `json:"seconds"`
	BareSeconds float64 `json:"bareSeconds"`
	// Ratios of the two in all rounds, sorted.
	Ratios []float64 `json:"ratios"`
	// CPUSeconds that the operator used for it, until it was at rest again.
	CPUSeconds float64 `json:"cpuSeconds"`
	// Writes per service, such as "patch deployments", and Reads, until the operator
	// was at rest again.
	Writes map[string]float64 `json:"writesPerService"`
	Reads  float64            `json:"readsPerService"`
	// IdleWrites are those in the idle while that begins then.
	IdleWrites int    `json:"idleWrites"`
	Memory     Memory `json:"memory"`
	// Touched is when every service was annotated, Restarted when a new operator
	// looked at them all.
	Touched   Resync `json:"touched"`
	Restarted Resync `json:"restarted"`
}

// Resync is a look at all services, of which none has changed.
type Resync struct {
	Writes     int     `json:"writes"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

func (r *Run) ratio() float64 { return r.Seconds / r.BareSeconds }

func (r *Run) writes() float64 {
	sum := 0.0
	for _, n := range r.Writes {
		sum += n
	}
	return sum
}

// median is the round with the median ratio; what only the last round measures is
// that round's.
func median(rounds []Run) Run {
	last := rounds[len(rounds)-1]
	sorted := slices.SortedFunc(slices.Values(rounds), func(a, b Run) int { return cmp.Compare(a.ratio(), b.ratio()) })
	m := sorted[len(sorted)/2]
	for _, r := range sorted {
		m.Ratios = append(m.Ratios, r.ratio())
	}
	m.IdleWrites, m.Memory, m.Touched, m.Restarted = last.IdleWrites, last.Memory, last.Touched, last.Restarted
	return m
}

// perService is the memory that each service beyond the first hundred takes.
func (r *Result) perService(run *Run, of func(Memory) int64) float64 {
	return float64(of(run.Memory)-of(r.Base.Memory)) / float64(run.Services-baseServices)
}

func resident(m Memory) int64 { return m.ResidentBytes }
func heap(m Memory) int64     { return m.HeapBytes }

// missed names the floors that were not kept.
func (r *Result) missed() []string {
	var missed []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			missed = append(missed, fmt.Sprintf(format, args...))
		}
	}
	for i := range r.Runs {
		run := &r.Runs[i]
		check(run.ratio() <= mostRatio, "%d services take %.2f times as long as with a bare client, want at most %g", run.Services, run.ratio(), mostRatio)
		check(run.IdleWrites == 0, "%d writes in the idle while after %d services, want none", run.IdleWrites, run.Services)
		check(run.Touched.Writes+run.Restarted.Writes == 0, "%d writes to look at %d unchanged services again, want none", run.Touched.Writes+run.Restarted.Writes, run.Services)
		if run.Services <= baseServices {
			continue
		}
		for name, of := range map[string]func(Memory) int64{"resident memory": resident, "heap": heap} {
			each := r.perService(run, of)
			check(each <= mostPerService, "each of %d services takes %.0f kB of %s, want at most %d", run.Services, each/1000, name, mostPerService/1000)
		}
	}
	if b := r.Base; b.Secrets > 0 {
		check(float64(b.WithSecrets.HeapBytes) <= mostWithSecrets*float64(b.Memory.HeapBytes),
			"%d Secrets take the heap from %d to %d bytes, want at most %g times as much", b.Secrets, b.Memory.HeapBytes, b.WithSecrets.HeapBytes, mostWithSecrets)
	}
	return missed
}

// Table is the result in Markdown.
func (r *Result) Table() string {
	var b strings.Builder
	row := func(title string, cell func(*Run) string) {
		fmt.Fprintf(&b, "| %s |", title)
		for i := range r.Runs {
			fmt.Fprintf(&b, " %s |", cell(&r.Runs[i]))
		}
		b.WriteByte('\n')
	}
	row(fmt.Sprintf("RAGServices, %d children each", r.Children), func(run *Run) string { return strconv.Itoa(run.Services) })
	b.WriteString("|---|" + strings.Repeat("---|", len(r.Runs)) + "\n")
	row("until all are complete", func(run *Run) string { return fmt.Sprintf("%.1f s", run.Seconds) })
	row("a bare client that applies the same", func(run *Run) string { return fmt.Sprintf("%.1f s", run.BareSeconds) })
	row("ratio, and that of all rounds", func(run *Run) string {
		return fmt.Sprintf("%.2f (%.2f to %.2f)", run.ratio(), run.Ratios[0], run.Ratios[len(run.Ratios)-1])
	})
	row("writes per service", func(run *Run) string { return fmt.Sprintf("%.1f", run.writes()) })
	row("reads per service", func(run *Run) string { return fmt.Sprintf("%.1f", run.Reads) })
	row(fmt.Sprintf("writes in the %g s after", r.IdleSeconds), func(run *Run) string { return strconv.Itoa(run.IdleWrites) })
	row("CPU time of the operator", func(run *Run) string { return fmt.Sprintf("%.1f s", run.CPUSeconds) })
	row("memory of the operator: resident, peak, live heap", func(run *Run) string { return run.Memory.String() })
	row("of that for each service beyond the first hundred: resident, live heap", func(run *Run) string {
		if run.Services <= baseServices {
			return ""
		}
		return fmt.Sprintf("%.0f kB, %.0f kB", r.perService(run, resident)/1000, r.perService(run, heap)/1000)
	})
	row("all looked at again, unchanged: writes, CPU time", func(run *Run) string { return run.Touched.String() })
	row("the same by a new operator, from its start", func(run *Run) string { return run.Restarted.String() })
	if s := r.Base; s.Secrets > 0 {
		fmt.Fprintf(&b, "\n| %d RAGServices: resident, peak, live heap | no other Secrets | %d Secrets of 10 kB |\n|---|---|---|\n", baseServices, s.Secrets)
		fmt.Fprintf(&b, "| an operator that runs | %s | %s |\n", s.Memory, s.WithSecrets)
		fmt.Fprintf(&b, "| one that starts | %s | %s |\n", s.Restarted, s.RestartedWithSecrets)
	}
	return b.String()
}

// String is resident, peak and live heap memory in MiB.
func (m Memory) String() string {
	return fmt.Sprintf("%d, %d, %d MiB", m.ResidentBytes>>20, m.PeakBytes>>20, m.HeapBytes>>20)
}

// String is the writes and the CPU time.
func (r Resync) String() string { return fmt.Sprintf("%d, %.1f s", r.Writes, r.CPUSeconds) }
