// Command draw shows a comparison that make bench-scaling measured: it writes the
// plots into a folder and prints the table.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"ragops.dev/ragservice/hack/perf/scaling"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "want: draw COMPARISON.json FOLDER")
		os.Exit(2)
	}
	if err := draw(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

func draw(data, folder string) error {
	comparison, err := scaling.Read(data)
	if err != nil {
		return err
	}
	for name, svg := range comparison.Plots() {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	fmt.Print(comparison.Table())
	return nil
}
