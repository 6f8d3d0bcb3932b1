package command

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes of every subcommand.
const (
	ExitDone      = 0
	ExitFailed    = 1
	ExitUsage     = 2 // the command line itself is wrong
	ExitThreshold = 3 // the work was done and its result is not good enough
)

// UsageError says that the command line is wrong; running it again unchanged
// can't help.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e UsageError) Unwrap() error { return e.Err }

// ThresholdError says that the work was done and its result misses a threshold
// that the caller set.
type ThresholdError struct{ Err error }

func (e ThresholdError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e ThresholdError) Unwrap() error { return e.Err }

// ExitCode returns the exit code that err stands for.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if _, ok := errors.AsType[UsageError](err); ok {
		return ExitUsage
	}
	if _, ok := errors.AsType[ThresholdError](err); ok {
		return ExitThreshold
	}
	return ExitFailed
}

// wrongUsage marks what an argument check refuses as wrong usage.
func wrongUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return UsageError{Err: err}
		}
		return nil
	}
}

// usagef returns a UsageError.
func usagef(format string, args ...any) error {
	return UsageError{Err: fmt.Errorf(format, args...)}
}

// explain says on w what went wrong, and where the usage of cmd is to be found
// when the command line is to blame.
func explain(w io.Writer, cmd *cobra.Command, err error) {
	fmt.Fprintf(w, "error: %v\n", err)
	if ExitCode(err) == ExitUsage {
		fmt.Fprintf(w, "See '%s --help'.\n", cmd.CommandPath())
	}
}
