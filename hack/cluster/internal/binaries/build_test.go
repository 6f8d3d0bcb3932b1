package binaries

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

func TestArguments(t *testing.T) {
	tests := []struct {
		name    string
		binary  Binary
		want    string
		wantEnv string
	}{
		{
			name:    "Kubernetes' programs carry their version",
			binary:  Kubelet,
			want:    "build -mod=readonly -buildvcs=false -trimpath -ldflags -s -w -X k8s.io/component-base/version.gitVersion=v1.2.3 -o out k8s.io/kubernetes/cmd/kubelet",
			wantEnv: "CGO_ENABLED=0",
		},
		{
			name:    "runc is built with C and seccomp",
			binary:  Runc,
			want:    "build -mod=readonly -buildvcs=false -trimpath -ldflags -s -w -tags seccomp -o out github.com/opencontainers/runc",
			wantEnv: "CGO_ENABLED=1",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(arguments(test.binary, "v1.2.3", "out"), " ")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			if !slices.Contains(environment(test.binary), test.wantEnv) {
				t.Errorf("environment %q lacks %s", environment(test.binary), test.wantEnv)
			}
		})
	}
}

// Every program of the table must be pinned by the module it names.
func TestTableIsPinned(t *testing.T) {
	modules := filepath.Join("..", "..", "binaries")
	for _, binary := range append(Node(), Kind) {
		t.Run(binary.Name, func(t *testing.T) {
			builder := &Builder{Modules: modules, Cache: t.TempDir()}
			if _, err := builder.Path(binary); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(binary.Package, "./") {
				if _, err := os.Stat(filepath.Join(modules, binary.Module.Dir, binary.Package)); err != nil {
					t.Fatal(err)
				}
				return
			}
			pins, err := os.ReadFile(filepath.Join(modules, binary.Module.Dir, "tools.go"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(pins), `_ "`+binary.Package+`"`) {
				t.Errorf("%s/tools.go does not import %s, so `go mod tidy` would drop it", binary.Module.Dir, binary.Package)
			}
		})
	}
}

func TestEnsure(t *testing.T) {
	hello := Binary{Name: "hello", Module: Module{Dir: "hello", Pins: "example.org/pinned"}, Package: "./cmd"}
	const goMod = "module example.org/hello\n\ngo 1.26.0\n\nrequire example.org/pinned v1.4.0\n"
	tests := []struct {
		name      string
		goMod     string
		source    string
		wantError string
	}{
		{name: "a program is built once and then found", goMod: goMod, source: "package main\n\nfunc main() {}\n"},
		{name: "a compiler's message reaches the reader", goMod: goMod, source: "package main\n\nfunc main() { x }\n", wantError: "undefined: x"},
		{name: "a pin that is gone is named", goMod: "module example.org/hello\n", source: "package main\n", wantError: "requires no example.org/pinned"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			modules := t.TempDir()
			write(t, filepath.Join(modules, "hello", "go.mod"), test.goMod)
			write(t, filepath.Join(modules, "hello", "cmd", "main.go"), test.source)
			log, err := os.Create(filepath.Join(t.TempDir(), "log"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			builder := &Builder{Modules: modules, Cache: t.TempDir(), Progress: progress.New(log)}

			err = builder.Ensure(t.Context(), hello)
			if test.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantError) {
					t.Fatalf("error is %v, want one with %q", err, test.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			path, err := builder.Path(hello)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(filepath.Base(filepath.Dir(path)), "hello-v1.4.0-") {
				t.Errorf("the folder of %s does not name the version", path)
			}
			first := modified(t, path)
			if err := builder.Ensure(t.Context(), hello); err != nil {
				t.Fatal(err)
			}
			if modified(t, path) != first {
				t.Error("a second run built again")
			}

			write(t, filepath.Join(modules, "hello", "cmd", "main.go"), test.source+"// changed\n")
			changed, err := builder.Path(hello)
			if err != nil {
				t.Fatal(err)
			}
			if changed == path {
				t.Error("a changed source is looked for in the old folder")
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func modified(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().String()
}
