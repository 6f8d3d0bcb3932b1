package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// options are the flags that every subcommand shares.
type options struct {
	dir      string
	provider string
}

func newCommand() *cobra.Command {
	var opts options
	root := &cobra.Command{
		Use:           "cluster",
		Short:         "Run a one-node Kubernetes cluster on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&opts.dir, "dir", "", "folder for the cluster's state (default .cluster in the repository)")
	root.PersistentFlags().StringVar(&opts.provider, "provider", providerAuto,
		"how to run the cluster: kind (needs Docker), node (needs root on Linux), or auto: kind where Docker runs")
	root.AddCommand(
		&cobra.Command{
			Use:   "up",
			Short: "Start the cluster, or what of it does not run",
			Args:  cobra.NoArgs,
			RunE: opts.with(func(cmd *cobra.Command, cluster provider, _ []string) error {
				if err := cluster.Up(cmd.Context()); err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The cluster is up. To use it:\n")
				fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\n", cluster.Kubeconfig())
				return nil
			}),
		},
		&cobra.Command{
			Use:   "down",
			Short: "Remove the cluster and all that it made on this machine, except its logs",
			Args:  cobra.NoArgs,
			RunE: opts.with(func(cmd *cobra.Command, cluster provider, _ []string) error {
				return cluster.Down(cmd.Context())
			}),
		},
		&cobra.Command{
			Use:   "load ARCHIVE...",
			Short: "Give the cluster images, from archives of `docker save` or `image`",
			Args:  cobra.MinimumNArgs(1),
			RunE: opts.with(func(cmd *cobra.Command, cluster provider, archives []string) error {
				return cluster.Load(cmd.Context(), archives...)
			}),
		},
		&cobra.Command{
			Use:   "kubeconfig",
			Short: "Print the path of the cluster's kubeconfig",
			Args:  cobra.NoArgs,
			RunE: opts.with(func(cmd *cobra.Command, cluster provider, _ []string) error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), cluster.Kubeconfig())
				return err
			}),
		},
		&cobra.Command{
			Use:   "status",
			Short: "Show what of the cluster runs",
			Args:  cobra.NoArgs,
			RunE: opts.with(func(cmd *cobra.Command, cluster provider, _ []string) error {
				return cluster.Status(cmd.Context(), cmd.OutOrStdout())
			}),
		},
		&cobra.Command{
			Use:   "dump",
			Short: "Print all that helps to find out what went wrong: objects, events, the logs of pods and of the node",
			Args:  cobra.NoArgs,
			RunE: opts.with(func(cmd *cobra.Command, cluster provider, _ []string) error {
				return cluster.Dump(cmd.Context(), cmd.OutOrStdout())
			}),
		},
		newImageCommand(&opts),
		newAssetsCommand(),
	)
	return root
}

// with hands a subcommand the cluster that the flags name.
func (o *options) with(run func(*cobra.Command, provider, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		root, err := repository()
		if err != nil {
			return err
		}
		builder, err := newBuilder(root)
		if err != nil {
			return err
		}
		dir, err := o.folder(root)
		if err != nil {
			return err
		}
		cluster, err := o.cluster(cmd.Context(), root, dir, builder)
		if err != nil {
			return err
		}
		return run(cmd, cluster, args)
	}
}

// folder is the state folder, as an absolute path.
func (o *options) folder(root string) (string, error) {
	if o.dir == "" {
		return filepath.Join(root, ".cluster"), nil
	}
	return filepath.Abs(o.dir)
}

func newAssetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "assets",
		Short: "Build kube-apiserver, etcd and kubectl and print their folder, for KUBEBUILDER_ASSETS",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := repository()
			if err != nil {
				return err
			}
			builder, err := newBuilder(root)
			if err != nil {
				return err
			}
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

func newBuilder(root string) (*binaries.Builder, error) {
	cache, err := binaries.CacheDir()
	if err != nil {
		return nil, err
	}
	return &binaries.Builder{
		Modules:  filepath.Join(root, "hack", "cluster", "binaries"),
		Cache:    cache,
		Progress: progress.New(os.Stderr),
	}, nil
}

// repository finds the top of the checkout from the working directory: the
// pinned modules and the sources of images are read from it.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "hack", "cluster", "binaries")); err == nil {
			return dir, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of RAGService: run this from the repository", start)
		}
	}
}
