package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ragops.dev/ragservice/ragctl/bench/load"
	"ragops.dev/ragservice/ragctl/bench/objective"
	"ragops.dev/ragservice/ragctl/bench/report"
	"ragops.dev/ragservice/ragctl/bench/trial"
)

const benchLong = `Offer questions to a query server at a fixed rate, measure what comes back, and
judge it by objectives.

The load is open-loop: each question has an intended start time, and its latency
counts from then, whether or not the server kept up. A server that stalls cannot
hide the questions that it kept waiting. With --clients the load is a closed loop,
which shows the highest throughput but hides stalls. Clients that begin all at
once go on asking together; --ramp-up spreads their beginning.

URL is that of the server (POST /query is added to one without a path), of its
query path, or of its /v1/chat/completions. Put NAME= ahead of it to name it in the
results. A server without the X-Cache header has no cache hit ratio.

The run is bounded: at most 100,000 questions/s, one hour, 50,000 in flight. Only
load servers that are yours to load.

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage, 3 an objective was
missed.`

const benchExample = `  # 200 questions per second for a minute, judged by the migration guide's table
  ragctl bench http://localhost:8080 --rate 200 --duration 60s

  # a ramp in five steps, with CPU and memory of a local server, as a page with plots
  ragctl bench http://localhost:8080 --rate 100..500/5 --pid 4242 --report bench.html

  # streamed answers, judged by what a RAGService declares, with the CPU of its pods
  ragctl bench http://localhost:8080/v1/chat/completions --stream \
      --objectives ragservice/support --pods ragservice/support -n shop

  # the highest rate at which the objectives hold
  ragctl bench http://localhost:8080 --find-capacity`

// newBenchCommand returns the command that measures a query server.
func newBenchCommand(streams Streams) *cobra.Command {
	var flags benchFlags
	cmd := &cobra.Command{
		Use:     "bench URL",
		Short:   "Measure a query server under load",
		Long:    benchLong,
		Example: benchExample,
		Args:    wrongUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.forTrials(cmd)
			b, err := flags.prepare(cmd.Context(), streams, args)
			if err != nil {
				return err
			}
			if flags.findCapacity {
				return b.capacity(cmd.Context())
			}
			return b.run(cmd.Context())
		},
	}
	flags.add(cmd)
	flags.addLength(cmd, "60s", "5s")
	cmd.AddCommand(newCompareCommand(streams))
	return cmd
}

func newCompareCommand(streams Streams) *cobra.Command {
	var flags benchFlags
	var rounds int
	cmd := &cobra.Command{
		Use:   "compare URL URL...",
		Short: "Measure query servers against each other",
		Long: `Measure up to eight query servers in turn, a slice of --duration each per round,
so that what changes over time meets all alike. Figures are shown as ratios to the
first server, with 95 % confidence intervals over the rounds.`,
		Example: `  # the old service against the new, in six rounds of ten seconds each
  ragctl bench compare flask=http://localhost:5000 runtime=http://localhost:8080 --rate 50

  # how much more load the new one carries within its objectives
  ragctl bench compare flask=http://localhost:5000 runtime=http://localhost:8080 --find-capacity`,
		Args: wrongUsage(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.forTrials(cmd)
			b, err := flags.prepare(cmd.Context(), streams, args)
			if err != nil {
				return err
			}
			if flags.findCapacity {
				return b.capacity(cmd.Context())
			}
			return b.compare(cmd.Context(), rounds)
		},
	}
	flags.add(cmd)
	flags.addLength(cmd, "10s", "1s")
	cmd.Flags().IntVar(&rounds, "rounds", 6, "how often each server has its turn")
	return cmd
}

// benchmark is a command line that was understood.
type benchmark struct {
	flags      *benchFlags
	streams    Streams
	plans      []load.Plan
	objectives objective.Objectives
	progress   *progress
}

// run measures one server.
func (b *benchmark) run(ctx context.Context) error {
	plan := b.plans[0]
	plan.Progress = b.progress.point
	result, err := load.Run(ctx, plan)
	b.progress.end()
	if err != nil {
		return UsageError{Err: err}
	}
	verdict := b.objectives.Judge(result.Total)
	err = b.write(report.Report{Run: result, Verdict: verdict}, struct {
		*load.Result
		Verdict objective.Verdict `json:"verdict"`
	}{result, verdict}, func(w io.Writer) error {
		return errors.Join(report.WriteRun(w, result), report.WriteVerdict(w, verdict))
	})
	switch {
	case err != nil:
		return err
	case result.Interrupted && result.Total.Questions == 0:
		return errors.New("interrupted during the warm-up: nothing was measured")
	case result.Interrupted:
		return fmt.Errorf("interrupted after %.1f s: the figures are of that time", result.Total.Seconds)
	}
	return missed(verdict)
}

// compare measures servers against each other.
func (b *benchmark) compare(ctx context.Context, rounds int) error {
	for i := range b.plans {
		b.plans[i].Progress = b.progress.point
	}
	comparison, err := trial.Compare(ctx, b.plans, rounds, func(round, target int) {
		b.progress.heading = fmt.Sprintf("round %d of %d, %s: ", round+1, rounds, b.plans[target].Target.Name)
	})
	b.progress.end()
	if err != nil {
		return err
	}
	err = b.write(report.Report{Comparison: comparison}, comparison, func(w io.Writer) error {
		return report.WriteComparison(w, comparison)
	})
	if err == nil && comparison.Interrupted {
		err = fmt.Errorf("interrupted after %d of %d rounds: the figures are of those", comparison.Rounds, rounds)
	}
	return err
}

// capacity finds the highest rate that each server carries.
func (b *benchmark) capacity(ctx context.Context) error {
	var found []*trial.Capacity
	for _, plan := range b.plans {
		plan.Progress = b.progress.point
		capacity, err := trial.FindCapacity(ctx, trial.Search{
			Plan: plan, Objectives: b.objectives, Most: b.flags.maxRate, Precision: b.flags.precision,
			Tried: func(t trial.Trial) {
				b.progress.end()
				word := "held"
				if !t.Held {
					word = "missed: " + t.Why
				}
				fmt.Fprintf(b.streams.Err, "%s at %.0f/s: %s\n", plan.Target.Name, t.PerSecond, word)
			},
		})
		b.progress.end()
		if err != nil {
			return UsageError{Err: err}
		}
		found = append(found, capacity)
		if ctx.Err() != nil {
			break
		}
	}
	err := b.write(report.Report{Capacities: found}, found, func(w io.Writer) error {
		return report.WriteCapacities(w, found)
	})
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("interrupted: the capacities are those found until then")
	}
	for _, c := range found {
		if c.PerSecond < 0.99*b.objectives.QueriesPerSecond {
			return ThresholdError{Err: fmt.Errorf("%s carries %.0f/s within its objectives, want %g/s", c.Target, c.PerSecond, b.objectives.QueriesPerSecond)}
		}
	}
	return nil
}

// write writes the results as data, as a table, and as a page where one is asked
// for.
func (b *benchmark) write(page report.Report, data any, table func(io.Writer) error) error {
	var err error
	if b.flags.output == "json" {
		encoder := json.NewEncoder(b.streams.Out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(data)
	} else {
		err = table(b.streams.Out)
	}
	if b.flags.report == "" {
		return err
	}
	// The figures are on standard output by now, whatever becomes of the page.
	file, createErr := os.Create(b.flags.report)
	if createErr != nil {
		return errors.Join(err, fmt.Errorf("write the report: %w", createErr))
	}
	err = errors.Join(err, page.WriteHTML(file), file.Close())
	if err == nil {
		fmt.Fprintf(b.streams.Err, "report written to %s\n", b.flags.report)
	}
	return err
}

// missed returns a ThresholdError for what was missed.
func missed(verdict objective.Verdict) error {
	lines := verdict.Missed()
	if len(lines) == 0 {
		return nil
	}
	var errs []error
	for _, line := range lines {
		errs = append(errs, fmt.Errorf("%s is %s, want %s", line.Name, line.Observed, line.Target))
	}
	return ThresholdError{Err: errors.Join(errs...)}
}
