package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ragops.dev/ragservice/hack/cluster/internal/host"
	"ragops.dev/ragservice/hack/cluster/internal/images"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// product is an image that the project's manifests name.
type product struct {
	reference string
	// mainPackage is relative to the repository; the Redis image has none.
	mainPackage string
}

var products = map[string]product{
	"operator": {reference: "ragservice-operator:dev", mainPackage: "./cmd/operator"},
	"runtime":  {reference: "ragservice-runtime:dev", mainPackage: "./cmd/runtime"},
	// The default of a managed cache. What stands in for it is the Redis of
	// this machine's distribution, as no registry is asked for anything.
	"redis": {reference: "redis:7.4-alpine"},
}

func newImageCommand(opts *options) *cobra.Command {
	names := slices.Sorted(maps.Keys(products))
	var tags map[string]string
	cmd := &cobra.Command{
		Use:       "image NAME...",
		Short:     "Build images without Docker and print the paths of their archives; NAME is one of " + strings.Join(names, ", "),
		Args:      cobra.MatchAll(cobra.MinimumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, names []string) error {
			root, err := repository()
			if err != nil {
				return err
			}
			dir, err := opts.folder(root)
			if err != nil {
				return err
			}
			for name := range tags {
				if _, ok := products[name]; !ok {
					return fmt.Errorf("--tag names %q, which is no image; there are %s", name, strings.Join(slices.Sorted(maps.Keys(products)), ", "))
				}
			}
			printer := progress.New(os.Stderr)
			for _, name := range names {
				product := products[name]
				if tag := tags[name]; tag != "" {
					product.reference = tag
				}
				archive, err := buildImage(cmd.Context(), printer, root, dir, name, product)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), archive)
			}
			return nil
		},
	}
	cmd.Flags().StringToStringVar(&tags, "tag", nil, "another reference for an image, as NAME=REFERENCE")
	return cmd
}

func buildImage(ctx context.Context, printer *progress.Printer, root, dir, name string, product product) (archive string, err error) {
	folder := filepath.Join(dir, "images")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	archive = filepath.Join(folder, name+".tar")
	if product.mainPackage == "" {
		if err := host.Install(ctx, printer, host.RedisPackages...); err != nil {
			return "", err
		}
		return archive, printer.Do("packing image "+product.reference, "", func() error {
			return images.Redis(ctx, product.reference, archive)
		})
	}
	return archive, printer.Do("building image "+product.reference, "", func() error {
		return images.GoProgram(ctx, root, product.mainPackage, product.reference, archive)
	})
}
