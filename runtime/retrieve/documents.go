package retrieve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ragops.dev/ragservice/runtime/ingest"
)

// maxDocumentBytes bounds one document of the memory store: a mounted ConfigMap
// holds 1 MiB at most, and a text of more than this wants a real vector store.
const maxDocumentBytes = 16 << 20

// document is a file that was read.
type document struct {
	path string
	// source is the path within the configured folder, with slashes.
	source string
	data   []byte
}

// readDocuments reads the files and all documents in the folders, in the order
// of their names. Entries that start with a dot are left out: Kubernetes mounts
// a ConfigMap as symbolic links into ..data, which would be read twice. Links to
// files are followed, links to folders are not.
func readDocuments(paths []string) ([]document, error) {
	var documents []document
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read the documents: %w", err)
		}
		if info.IsDir() {
			documents, err = readFolder(documents, path, path)
		} else if _, ok := ingest.FormatOf(path); !ok {
			err = fmt.Errorf("document %s: the name must end in .md, .txt or .html", path)
		} else {
			documents, err = readDocument(documents, path, filepath.Base(path))
		}
		if err != nil {
			return nil, err
		}
	}
	nameApart(documents)
	return documents, nil
}

func readFolder(documents []document, root, folder string) ([]document, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("read the documents: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		path := filepath.Join(folder, entry.Name())
		if entry.IsDir() {
			if documents, err = readFolder(documents, root, path); err != nil {
				return nil, err
			}
			continue
		}
		if _, ok := ingest.FormatOf(path); !ok {
			continue
		}
		source, err := filepath.Rel(root, path)
		if err != nil {
			return nil, fmt.Errorf("read the documents: %w", err)
		}
		if documents, err = readDocument(documents, path, filepath.ToSlash(source)); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// readDocument reads what is a file, or a link to one; a link to a folder adds
// nothing.
func readDocument(documents []document, path, source string) ([]document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the documents: %w", err)
	}
	if !info.Mode().IsRegular() {
		return documents, nil
	}
	if info.Size() > maxDocumentBytes {
		return nil, fmt.Errorf("document %s has %d bytes, and the memory store takes at most %d", path, info.Size(), maxDocumentBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the documents: %w", err)
	}
	return append(documents, document{path: path, source: source, data: data}), nil
}

// nameApart gives documents of one name in several folders their whole path as
// source, so that a source names one document.
func nameApart(documents []document) {
	count := map[string]int{}
	for _, d := range documents {
		count[d.source]++
	}
	for i, d := range documents {
		if count[d.source] > 1 {
			documents[i].source = filepath.ToSlash(d.path)
		}
	}
}
