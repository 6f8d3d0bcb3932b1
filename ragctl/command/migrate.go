package command

import (
	"github.com/spf13/cobra"
)

// newMigrateCommand returns the command that holds one subcommand per platform a
// service can come from.
func newMigrateCommand(streams Streams) *cobra.Command {
	migrate := &cobra.Command{
		Use:   "migrate",
		Short: "Turn a service of another platform into a RAGService",
		Args:  wrongUsage(unknownSubcommand),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	migrate.AddCommand(newMigrateECSCommand(streams))
	return migrate
}
