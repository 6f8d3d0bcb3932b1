// Package products lists the images that the project's manifests name and builds
// them from the checkout, without Docker or a registry.
package products

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/host"
	"ragops.dev/ragservice/hack/cluster/internal/images"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// product is one image: of a Go program, or packed from packages of this machine's
// distribution, since no registry is asked for anything.
type product struct {
	reference string
	// module is the folder of a Go module, relative to the repository, and
	// mainPackage the package in it.
	module, mainPackage string

	packages []host.Package
	pack     func(ctx context.Context, reference, archive string) error
}

var products = map[string]product{
	"operator": {reference: "ragservice-operator:dev", module: ".", mainPackage: "./cmd/operator"},
	"runtime":  {reference: "ragservice-runtime:dev", module: ".", mainPackage: "./cmd/runtime"},
	// The caller of the end-to-end tests, which queries from inside the cluster.
	"caller": {reference: "ragservice-caller:dev", module: "hack/e2e", mainPackage: "./caller"},
	// Callers whose number a test sets while they ask.
	"crowd": {reference: "ragservice-crowd:dev", module: "hack/e2e", mainPackage: "./crowd"},
	// What the operator sees of a query runtime, with the load that a test sets.
	"puppet": {reference: "ragservice-puppet:dev", module: "hack/e2e", mainPackage: "./puppet"},
	// Model, embedding and vector store that answer after a set time.
	"standin": {reference: "ragservice-standin:dev", module: ".", mainPackage: "./hack/perf/serve"},
	// What a converted service needs beside itself, in the end-to-end tests.
	"externals": {reference: "ragservice-externals:dev", module: "hack/e2e", mainPackage: "./externals"},
	"postgres":  {reference: "ragservice-postgres:dev", packages: host.PostgresPackages, pack: images.Postgres},
	// The default of a managed cache.
	"redis": {reference: "redis:7.4-alpine", packages: host.RedisPackages, pack: images.Redis},
}

// Demo lists the images that a running service needs.
func Demo() []string { return []string{"operator", "runtime", "redis"} }

// Names lists all images.
func Names() []string { return slices.Sorted(maps.Keys(products)) }

// Factory builds images of one checkout.
type Factory struct {
	Repository string
	// Dir is the folder that archives are written to.
	Dir string
	// References replace, by name, the ones that the manifests use.
	References map[string]string
	Progress   *progress.Printer
}

// Build makes the images and returns the paths of their archives.
func (f *Factory) Build(ctx context.Context, names ...string) (archives []string, err error) {
	for _, name := range append(slices.Sorted(maps.Keys(f.References)), names...) {
		if _, ok := products[name]; !ok {
			return nil, fmt.Errorf("there is no image %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range names {
		archive := filepath.Join(f.Dir, name+".tar")
		if err := f.build(ctx, name, archive); err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

func (f *Factory) build(ctx context.Context, name, archive string) error {
	product := products[name]
	if reference := f.References[name]; reference != "" {
		product.reference = reference
	}
	if product.pack != nil {
		if err := host.Install(ctx, f.Progress, product.packages...); err != nil {
			return err
		}
		return f.Progress.Do("packing image "+product.reference, "", func() error {
			return product.pack(ctx, product.reference, archive)
		})
	}
	return f.Progress.Do("building image "+product.reference, "a few minutes the first time", func() error {
		return images.GoProgram(ctx, filepath.Join(f.Repository, product.module), product.mainPackage, product.reference, archive)
	})
}
