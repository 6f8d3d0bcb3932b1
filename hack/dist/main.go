// Command dist makes what is handed out of what is in config/: the manifest
// dist/install.yaml and the Helm chart dist/chart. The manifest is config/default
// as kustomize builds it. The chart's templates are those same objects with values
// put in their place, so that a permission or an argument that is added to config/
// is in all of them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// release is what one version is handed out as.
type release struct {
	// version of the release: a semantic version with or without a v, or anything
	// else for one that is not released.
	version string
	// image of the operator.
	image reference
}

func run(args []string) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	version := flags.String("version", "dev", "version of the release")
	image := flags.String("image", "ragservice-operator:dev", "image of the operator, with a tag or a digest")
	repository := flags.String("repository", filepath.Join("..", ".."), "root of the repository")
	out := flags.String("out", filepath.Join("..", "..", "dist"), "folder to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *version == "" {
		return errors.New("--version is empty")
	}
	parsed, err := parseReference(*image)
	if err != nil {
		return fmt.Errorf("--image: %w", err)
	}
	r := release{version: *version, image: parsed}
	manifest, err := installManifest(*repository, r)
	if err != nil {
		return err
	}
	chart, err := chartFiles(*repository, r)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(*out, "install.yaml"), manifest); err != nil {
		return err
	}
	// A template that is not made any more must not stay.
	if err := os.RemoveAll(filepath.Join(*out, "chart")); err != nil {
		return err
	}
	for name, content := range chart {
		if err := write(filepath.Join(*out, "chart", name), content); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
