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
	dir string
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
	root.AddCommand(newAssetsCommand())
	return root
}

func newAssetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "assets",
		Short: "Build kube-apiserver, etcd and kubectl and print their folder, for KUBEBUILDER_ASSETS",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			builder, err := newBuilder()
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

func newBuilder() (*binaries.Builder, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
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
