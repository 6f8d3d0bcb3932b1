package command

import (
	"encoding/json"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"ragops.dev/ragservice/ragctl/inspect"
)

func newStatusCommand(streams Streams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status NAME",
		Short: "Show a RAGService with its conditions, objectives, load and all it owns",
		Example: `  ragctl status support -n rag
  kubectl rag status support -o json`,
		Args: wrongUsage(cobra.ExactArgs(1)),
	}
	kube := addKubeFlags(cmd)
	cmd.ValidArgsFunction = kube.completeNames
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if output != "text" && output != "json" {
			return usagef("--output is %q, and must be text or json", output)
		}
		reader, namespace, err := kube.client()
		if err != nil {
			return err
		}
		report, err := inspect.Collect(cmd.Context(), reader, types.NamespacedName{Namespace: namespace, Name: args[0]})
		if err != nil {
			return err
		}
		if output == "json" {
			encoder := json.NewEncoder(streams.Out)
			encoder.SetIndent("", "  ")
			return encoder.Encode(report)
		}
		return report.Print(streams.Out)
	}
	return cmd
}
