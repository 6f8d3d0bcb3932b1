// Package images makes container images without Docker: one layer of a few
// files, as a `docker save` archive. It neither pulls nor pushes.
package images

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nonRoot is the user that images run as, the one that "distroless" images use.
const nonRoot = 65532

// Image is what goes into an archive.
type Image struct {
	// Reference is the image's name and tag, as a pod names it.
	Reference string
	Files     []File
	// Entrypoint is run as user 65532.
	Entrypoint []string
	Env        []string
}

// File is one file of the image's only layer. Its folders are made as needed.
type File struct {
	// Path is absolute, in the image.
	Path string
	// Source is the file on this machine whose content and executable bit
	// are taken; symbolic links are followed.
	Source string
	// Content is taken where there is no Source.
	Content string
	// LinkTo makes the file a symbolic link, and its other fields void.
	LinkTo string
}

// Write makes the archive. The same files give the same archive.
func Write(image Image, archive string) error {
	tag, err := name.NewTag(image.Reference)
	if err != nil {
		return err
	}
	content, err := layer(image.Files)
	if err != nil {
		return fmt.Errorf("image %s: %w", image.Reference, err)
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	// A local image is read once: speed counts for more than size.
	contentLayer, err := tarball.LayerFromOpener(opener, tarball.WithCompressionLevel(1))
	if err != nil {
		return err
	}
	built, err := mutate.AppendLayers(empty.Image, contentLayer)
	if err != nil {
		return err
	}
	config, err := built.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{
		Entrypoint: image.Entrypoint,
		Env:        append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, image.Env...),
		User:       fmt.Sprintf("%d:%d", nonRoot, nonRoot),
	}
	if built, err = mutate.ConfigFile(built, config); err != nil {
		return err
	}
	unfinished := archive + ".new"
	defer os.Remove(unfinished)
	if err := tarball.WriteToFile(unfinished, tag, built); err != nil {
		return fmt.Errorf("write %s: %w", unfinished, err)
	}
	return os.Rename(unfinished, archive)
}

// layer is the uncompressed archive of the files, without times or owners, in
// the order of their paths.
func layer(files []File) ([]byte, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	var content bytes.Buffer
	writer := tar.NewWriter(&content)
	made := map[string]bool{}
	for _, file := range files {
		if !path.IsAbs(file.Path) || path.Clean(file.Path) != file.Path {
			return nil, fmt.Errorf("the path %q of a file is not absolute and clean", file.Path)
		}
		if made[file.Path] {
			return nil, fmt.Errorf("%s is there twice", file.Path)
		}
		for _, folder := range parents(file.Path) {
			if made[folder] {
				continue
			}
			made[folder] = true
			mode := int64(0o755)
			if folder == "/tmp" {
				mode = 0o1777
			}
			if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: relative(folder) + "/", Mode: mode}); err != nil {
				return nil, err
			}
		}
		made[file.Path] = true
		if err := add(writer, file); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Path, err)
		}
	}
	err := writer.Close()
	return content.Bytes(), err
}

func add(writer *tar.Writer, file File) error {
	if file.LinkTo != "" {
		return writer.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: relative(file.Path), Linkname: file.LinkTo, Mode: 0o777})
	}
	content, mode := []byte(file.Content), fs.FileMode(0o644)
	if file.Source != "" {
		info, err := os.Stat(file.Source)
		if err != nil {
			return err
		}
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		if content, err = os.ReadFile(file.Source); err != nil {
			return err
		}
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: relative(file.Path), Mode: int64(mode), Size: int64(len(content))}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err := writer.Write(content)
	return err
}

// parents are the folders above a path, from the top.
func parents(file string) []string {
	var folders []string
	for folder := path.Dir(file); folder != "/"; folder = path.Dir(folder) {
		folders = append(folders, folder)
	}
	slices.Reverse(folders)
	return folders
}

func relative(absolute string) string { return strings.TrimPrefix(absolute, "/") }
