package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ragops.dev/ragservice/hack/perf/bench/result"
)

// places are where results and pages go.
type places struct {
	results, page, images string
	// readme is "" where there is none to keep current.
	readme string
}

// repository is the places of the official run.
func repository(root string) places {
	return places{
		results: filepath.Join(root, "hack/perf/results.json"), page: filepath.Join(root, "docs/benchmarks.md"),
		images: filepath.Join(root, "docs/images"), readme: filepath.Join(root, "README.md"),
	}
}

// scratch is the places of a run that is not for the documentation.
func scratch(folder string) places {
	return places{results: filepath.Join(folder, "results.json"), page: filepath.Join(folder, "benchmarks.md"), images: filepath.Join(folder, "images")}
}

// pages writes all that is made of the results.
func (p places) pages(r *result.Results) error {
	const mode = fs.FileMode(0o644)
	errs := []error{os.WriteFile(p.page, []byte(r.Page()), mode)}
	for name, svg := range r.Plots() {
		errs = append(errs, os.WriteFile(filepath.Join(p.images, name), []byte(svg), mode))
	}
	if p.readme != "" {
		readme, err := os.ReadFile(p.readme)
		if err != nil {
			return err
		}
		text, err := r.Summary(string(readme))
		if err != nil {
			return err
		}
		errs = append(errs, os.WriteFile(p.readme, []byte(text), mode))
	}
	return errors.Join(errs...)
}
