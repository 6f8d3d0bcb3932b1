package binaries

import (
	"io/fs"
	"path/filepath"
	"slices"
)

// sourceFiles lists the Go sources and module files below root, in order.
func sourceFiles(root fs.FS) ([]string, error) {
	var files []string
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if slices.Contains([]string{".go", ".mod", ".sum"}, filepath.Ext(path)) {
			files = append(files, path)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}
