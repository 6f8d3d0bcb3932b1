package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/products"
	"ragops.dev/ragservice/hack/cluster/internal/provider"
)

// options are the flags that every subcommand shares.
type options struct {
	provider.Options
}

func newCommand() *cobra.Command {
	var opts options
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "Run a one-node Kubernetes cluster on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&opts.Dir, "dir", "", "folder for the cluster's state (default .cluster in the repository)")
	flags.StringVar(&opts.Provider, "provider", provider.Auto,
		"how to run the cluster: kind (needs Docker), node (needs root on Linux), or auto: kind where Docker runs")
	root.AddCommand(
		opts.on(&cobra.Command{
			Use:   "up",
			Short: "Start the cluster, or what of it does not run",
			Args:  cobra.NoArgs,
		}, func(cmd *cobra.Command, cluster provider.Cluster, _ []string) error {
			if err := cluster.Up(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "The cluster is up. To use it:")
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\n", cluster.Kubeconfig())
			return err
		}),
		opts.on(&cobra.Command{
			Use:   "down",
			Short: "Remove the cluster and all that it made on this machine, except its logs",
			Args:  cobra.NoArgs,
		}, func(cmd *cobra.Command, cluster provider.Cluster, _ []string) error {
			return cluster.Down(cmd.Context())
		}),
		opts.on(&cobra.Command{
			Use:   "load ARCHIVE...",
			Short: "Give the cluster images, from archives of `docker save` or `image`",
			Args:  cobra.MinimumNArgs(1),
		}, func(cmd *cobra.Command, cluster provider.Cluster, archives []string) error {
			return cluster.Load(cmd.Context(), archives...)
		}),
		opts.on(&cobra.Command{
			Use:   "kubeconfig",
			Short: "Print the path of the cluster's kubeconfig",
			Args:  cobra.NoArgs,
		}, func(cmd *cobra.Command, cluster provider.Cluster, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), cluster.Kubeconfig())
			return err
		}),
		opts.on(&cobra.Command{
			Use:   "status",
			Short: "Show what of the cluster runs",
			Args:  cobra.NoArgs,
		}, func(cmd *cobra.Command, cluster provider.Cluster, _ []string) error {
			return cluster.Status(cmd.Context(), cmd.OutOrStdout())
		}),
		opts.on(&cobra.Command{
			Use:   "dump",
			Short: "Print all that helps to find out what went wrong: objects, events, the logs of pods and of the node",
			Args:  cobra.NoArgs,
		}, func(cmd *cobra.Command, cluster provider.Cluster, _ []string) error {
			return cluster.Dump(cmd.Context(), cmd.OutOrStdout())
		}),
		newImageCommand(&opts),
		newAssetsCommand(&opts),
	)
	return root
}

// on makes a subcommand of what is done to the cluster that the flags name.
func (o *options) on(cmd *cobra.Command, run func(*cobra.Command, provider.Cluster, []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		environment, err := provider.NewEnvironment(o.Options)
		if err != nil {
			return err
		}
		cluster, err := environment.Cluster(cmd.Context())
		if err != nil {
			return err
		}
		return run(cmd, cluster, args)
	}
	return cmd
}

func newImageCommand(opts *options) *cobra.Command {
	var references map[string]string
	cmd := &cobra.Command{
		Use:       "image NAME...",
		Short:     "Build images without Docker and print the paths of their archives; NAME is one of " + strings.Join(products.Names(), ", "),
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: products.Names(),
		RunE: func(cmd *cobra.Command, names []string) error {
			environment, err := provider.NewEnvironment(opts.Options)
			if err != nil {
				return err
			}
			factory := &products.Factory{
				Repository: environment.Repository,
				Dir:        filepath.Join(environment.Dir, "images"),
				References: references,
				Progress:   environment.Progress,
			}
			archives, err := factory.Build(cmd.Context(), names...)
			for _, archive := range archives {
				fmt.Fprintln(cmd.OutOrStdout(), archive)
			}
			return err
		},
	}
	cmd.Flags().StringToStringVar(&references, "tag", nil, "another reference for an image, as NAME=REFERENCE")
	return cmd
}

func newAssetsCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "assets",
		Short: "Build kube-apiserver, etcd and kubectl and print their folder, for KUBEBUILDER_ASSETS",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			environment, err := provider.NewEnvironment(opts.Options)
			if err != nil {
				return err
			}
			builder := environment.Builder
			if err := builder.Ensure(cmd.Context(), binaries.APITest()...); err != nil {
				return err
			}
			apiServer, err := builder.Path(binaries.APIServer)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), filepath.Dir(apiServer))
			return err
		},
	}
}
