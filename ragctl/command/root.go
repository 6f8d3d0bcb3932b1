// Package command is the command line of ragctl: one file per subcommand, each
// a thin wrapper that parses flags, calls a library and prints what it returned.
// Data goes to standard output and words for people to standard error, so that
// the output of every subcommand can be piped. It holds no logic that a library
// user would want; that lives in the packages beside it.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Streams is where a command reads and writes.
type Streams struct {
	In  io.Reader
	Out io.Writer // data, for a program or a file
	Err io.Writer // words, for people
}

// The program goes by two names: its own, and that of the kubectl plugin, which
// kubectl calls as "kubectl rag".
const (
	programName = "ragctl"
	pluginName  = "kubectl-rag"
	// kubectl runs this name to complete "kubectl rag <TAB>".
	pluginCompletionName = "kubectl_complete-rag"
)

// Run runs the command line args, of which the first is the name the program was
// called by, and returns the exit code: 0 done, 1 failed, 2 usage, 3 a threshold
// was not met. What went wrong is said on streams.Err.
func Run(ctx context.Context, args []string, streams Streams) int {
	calledAs := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	args = args[1:]
	if calledAs == pluginCompletionName {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
		calledAs = pluginName
	}

	root := NewRoot(calledAs, streams)
	root.SetArgs(args)
	failed, err := root.ExecuteContextC(ctx)
	if err != nil {
		explain(streams.Err, failed, err)
	}
	return ExitCode(err)
}

// NewRoot returns the command with all its subcommands. Called as kubectl-rag it
// presents itself as "kubectl rag".
func NewRoot(calledAs string, streams Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   programName,
		Short: "Work with RAGServices: migrate, measure, ask, inspect",
		Long: `ragctl works with RAGServices: retrieval-augmented question-answering services on
Kubernetes. Data is written to standard output and words for people to standard
error. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a threshold was not met.`,
		Args: wrongUsage(unknownSubcommand),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SilenceErrors: true, // explain says it, once
		SilenceUsage:  true,
	}
	if calledAs == pluginName {
		root.Use = pluginName
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl rag"}
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{Err: err} })

	root.AddCommand(
		newBenchCommand(streams),
		newMigrateCommand(streams),
		newQueryCommand(streams),
		newRenderCommand(streams),
		newStatusCommand(streams),
	)
	return root
}

// unknownSubcommand refuses arguments of a command that only holds others, and
// names the subcommand that was probably meant.
func unknownSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2 // edits; cobra's own default, which it sets only where it does this check
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(message)
}
