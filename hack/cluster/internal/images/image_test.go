package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestWrite(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!"), 0o700); err != nil {
		t.Fatal(err)
	}
	image := Image{
		Reference: "example/tool:dev",
		Files: []File{
			{Path: "/usr/bin/tool", Source: program},
			{Path: "/etc/tool.conf", Content: "a=b\n"},
			{Path: "/tmp/.keep"},
			{Path: "/bin/tool", LinkTo: "/usr/bin/tool"},
		},
		Entrypoint: []string{"/usr/bin/tool"},
	}
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
	for _, archive := range []string{first, second} {
		if err := Write(image, archive); err != nil {
			t.Fatal(err)
		}
	}
	if string(read(t, first)) != string(read(t, second)) {
		t.Error("the same files give two archives")
	}

	tag, err := name.NewTag(image.Reference)
	if err != nil {
		t.Fatal(err)
	}
	built, err := tarball.ImageFromPath(first, &tag)
	if err != nil {
		t.Fatalf("the archive does not hold %s: %v", image.Reference, err)
	}
	config, err := built.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || config.OS != "linux" {
		t.Errorf("runs as %q on %q, want 65532:65532 on linux", config.Config.User, config.OS)
	}
	layers, err := built.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwxr-xr-x bin/", "Lrwxrwxrwx bin/tool",
		"drwxr-xr-x etc/", "-rw-r--r-- etc/tool.conf",
		"dtrwxrwxrwx tmp/", "-rw-r--r-- tmp/.keep",
		"drwxr-xr-x usr/", "drwxr-xr-x usr/bin/", "-rwxr-xr-x usr/bin/tool",
	}
	if diff := cmp.Diff(want, list(t, content)); diff != "" {
		t.Errorf("layer (-want +got):\n%s", diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	tests := []struct {
		name      string
		image     Image
		wantError string
	}{
		{name: "a bad reference", image: Image{Reference: "Not A Name"}, wantError: "Not A Name"},
		{name: "a relative path", image: Image{Reference: "a:b", Files: []File{{Path: "etc/a"}}}, wantError: `"etc/a"`},
		{name: "a path that climbs", image: Image{Reference: "a:b", Files: []File{{Path: "/etc/../a"}}}, wantError: `"/etc/../a"`},
		{name: "a file twice", image: Image{Reference: "a:b", Files: []File{{Path: "/a"}, {Path: "/a"}}}, wantError: "/a is there twice"},
		{name: "a source that is missing", image: Image{Reference: "a:b", Files: []File{{Path: "/a", Source: "/does/not/exist"}}}, wantError: "/does/not/exist"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			archive := filepath.Join(t.TempDir(), "image.tar")
			err := Write(test.image, archive)
			if err == nil || !strings.Contains(err.Error(), test.wantError) {
				t.Errorf("error is %v, want one with %q", err, test.wantError)
			}
			if _, err := os.Stat(archive); !errors.Is(err, os.ErrNotExist) {
				t.Error("an archive is left behind")
			}
		})
	}
}

func TestLibraries(t *testing.T) {
	const ldd = "\tlinux-vdso.so.1 (0x00007fcb79bfb000)\n" +
		"\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007fcb79afa000)\n" +
		"\t/lib64/ld-linux-x86-64.so.2 (0x00007fcb79bfd000)\n"
	want := []string{"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"}
	if diff := cmp.Diff(want, libraries(ldd)); diff != "" {
		t.Errorf("libraries (-want +got):\n%s", diff)
	}
}

func list(t *testing.T, content io.ReadCloser) []string {
	t.Helper()
	defer content.Close()
	var entries []string
	reader := tar.NewReader(content)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, header.FileInfo().Mode().String()+" "+header.Name)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
