// Package progress tells a person what is going on and how long it has taken.
// It writes to one stream, which is standard error in every command here, so
// that standard output stays free for data. It does no work of its own.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	terminalTick = time.Second
	// plainTick is how often a log, where no line can be rewritten, is told
	// that a step is still running.
	plainTick = 30 * time.Second
)

// Printer writes steps to one stream. Its methods may not be called at the
// same time from two goroutines: steps follow each other.
type Printer struct {
	out      io.Writer
	terminal bool
	tick     time.Duration
}

// New returns a Printer for f, which rewrites its line where f is a terminal.
func New(f *os.File) *Printer {
	info, err := f.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return &Printer{out: f, terminal: true, tick: terminalTick}
	}
	return &Printer{out: f, tick: plainTick}
}

// Say prints one line.
func (p *Printer) Say(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}

// Do runs f under a title and prints how long it took. While f runs, the time
// it has taken so far is shown, beside the hint, which says how long to expect
// and may be empty. The error of f is returned as it is.
func (p *Printer) Do(title, hint string, f func() error) error {
	begin := time.Now()
	running := title
	if hint != "" {
		running += " (" + hint + ")"
	}
	if p.terminal || hint != "" {
		p.line("  "+running+" …", p.between())
	}
	stop := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() { p.showElapsed(running, begin, stop) })
	err := f()
	close(stop)
	shown.Wait()

	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	p.line(fmt.Sprintf("%s %s (%s)", mark, title, short(time.Since(begin))), "\n")
	return err
}

func (p *Printer) showElapsed(title string, begin time.Time, stop <-chan struct{}) {
	ticker := time.NewTicker(p.tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.line(fmt.Sprintf("  %s … %s", title, short(time.Since(begin))), p.between())
		}
	}
}

// between ends the line of a step that still runs.
func (p *Printer) between() string {
	if p.terminal {
		return ""
	}
	return "\n"
}

// line writes one line; on a terminal it takes the place of the current one.
func (p *Printer) line(text, end string) {
	if p.terminal {
		text = "\r\033[K" + text
	}
	fmt.Fprint(p.out, text+end)
}

func short(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
