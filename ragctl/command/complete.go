package command

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// completionTimeout bounds how long a shell waits for names.
const completionTimeout = 3 * time.Second

// completeNames offers the RAGServices of the chosen namespace as the first argument.
// A cluster that does not answer offers nothing: a shell has no use for an error.
func (f kubeFlags) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const no = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, no
	}
	reader, namespace, err := f.client()
	if err != nil {
		return nil, no
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	var services v1alpha1.RAGServiceList
	if err := reader.List(ctx, &services, client.InNamespace(namespace)); err != nil {
		return nil, no
	}
	var names []string
	for _, s := range services.Items {
		names = append(names, s.Name+"\t"+s.Status.Model)
	}
	return names, no
}
