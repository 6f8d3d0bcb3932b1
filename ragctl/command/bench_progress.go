package command

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"ragops.dev/ragservice/ragctl/bench/load"
)

// progress shows how a run goes: one line that is written over on a terminal, a
// line every ten seconds elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	heading  string
	points   int
	open     bool
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if file, ok := w.(*os.File); ok {
		p.terminal = term.IsTerminal(int(file.Fd()))
	}
	return p
}

// point shows a second of a run, and lets the run go on.
func (p *progress) point(point load.Point) bool {
	p.points++
	var b strings.Builder
	fmt.Fprintf(&b, "%s%.0f s", p.heading, point.Seconds)
	switch {
	case point.Draining:
		b.WriteString(" (waiting for the last answers)")
	case point.Stage < 0:
		b.WriteString(" (warm-up)")
	}
	if point.OfferedPerSecond > 0 {
		fmt.Fprintf(&b, "  offered %.0f/s", point.OfferedPerSecond)
	}
	fmt.Fprintf(&b, "  answered %.0f/s  in flight %d  p50 %.1f ms  p95 %.1f ms", point.AnsweredPerSecond, point.InFlight, point.P50Ms, point.P95Ms)
	if point.FailedPerSecond > 0 {
		fmt.Fprintf(&b, "  FAILED %.0f/s", point.FailedPerSecond)
	}
	if point.HitRatio != nil {
		fmt.Fprintf(&b, "  hits %.0f %%", 100**point.HitRatio)
	}
	if point.Usage != nil {
		fmt.Fprintf(&b, "  CPU %.2f  memory %d MiB", point.Usage.Cores, point.Usage.MemoryBytes>>20)
	}
	switch {
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K%s", b.String())
		p.open = true
	case p.points%10 == 0:
		fmt.Fprintln(p.w, b.String())
	}
	return true
}

// end leaves the line as it is and begins a new one.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}
