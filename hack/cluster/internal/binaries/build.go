package binaries

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"

	"ragops.dev/ragservice/hack/cluster/internal/lock"
	"ragops.dev/ragservice/hack/cluster/internal/progress"
)

// Builder builds binaries into a cache and finds them there again.
type Builder struct {
	// Modules is the folder hack/cluster/binaries.
	Modules string
	// Cache is the folder below which each version gets a folder of its own.
	Cache    string
	Progress *progress.Printer
}

// CacheDir is where binaries are kept for the current user.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder to cache binaries in: %w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "ragservice"), nil
}

// Ensure builds those of the binaries that the cache lacks. Of two processes
// that want the same binary, one builds it and the other waits.
func (b *Builder) Ensure(ctx context.Context, wanted ...Binary) error {
	for _, binary := range wanted {
		path, err := b.Path(binary)
		if err != nil {
			return err
		}
		if exists(path) {
			continue
		}
		hint := binary.FirstTime
		if hint != "" {
			hint += " the first time"
		}
		if err := b.Progress.Do("building "+binary.Name, hint, func() error { return b.build(ctx, binary, path) }); err != nil {
			return fmt.Errorf("build %s: %w", binary.Name, err)
		}
	}
	return nil
}

// Path is where the binary is, or will be once Ensure has built it. The folder
// holds all programs of one module at one version; its name changes with
// anything that changes the build.
func (b *Builder) Path(binary Binary) (string, error) {
	dir, err := b.Dir(binary.Module)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, binary.Name), nil
}

// Dir is the folder of a module's programs.
func (b *Builder) Dir(module Module) (string, error) {
	version, err := b.version(module)
	if err != nil {
		return "", err
	}
	sum, err := b.fingerprint(module)
	if err != nil {
		return "", err
	}
	return filepath.Join(b.Cache, fmt.Sprintf("%s-%s-%s-%s", module.Dir, version, runtime.GOARCH, sum)), nil
}

func (b *Builder) build(ctx context.Context, binary Binary, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	unlock, err := lock.Wait(ctx, filepath.Join(filepath.Dir(path), "."+binary.Name+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if exists(path) {
		return nil
	}

	version, err := b.version(binary.Module)
	if err != nil {
		return err
	}
	// Built under another name, then renamed: an interrupted build leaves
	// nothing that looks finished.
	unfinished := path + ".new"
	defer os.Remove(unfinished)
	cmd := exec.CommandContext(ctx, "go", arguments(binary, version, unfinished)...)
	cmd.Dir = filepath.Join(b.Modules, binary.Module.Dir)
	cmd.Env = append(os.Environ(), environment(binary)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("go build %s in %s: %w\n%s", binary.Package, cmd.Dir, err, tail(output.String(), 20))
	}
	return os.Rename(unfinished, path)
}

// arguments are those of the go command. Paths are trimmed so that the build
// cache serves every checkout.
func arguments(binary Binary, version, output string) []string {
	ldflags := "-s -w"
	if binary.StampVersion {
		ldflags += " -X k8s.io/component-base/version.gitVersion=" + version
	}
	args := []string{"build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", ldflags}
	if binary.Tags != "" {
		args = append(args, "-tags", binary.Tags)
	}
	return append(args, "-o", output, binary.Package)
}

// environment keeps the caller's own Go settings out of the build.
func environment(binary Binary) []string {
	cgo := "0"
	if binary.CGO {
		cgo = "1"
	}
	return []string{"CGO_ENABLED=" + cgo, "GOFLAGS=", "GOWORK=off", "GOOS=" + binary.OS, "GOARCH="}
}

// version is the one that the module requires of what it pins.
func (b *Builder) version(module Module) (string, error) {
	path := filepath.Join(b.Modules, module.Dir, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read pinned versions: %w", err)
	}
	file, err := modfile.ParseLax(path, content, nil)
	if err != nil {
		return "", fmt.Errorf("read pinned versions: %w", err)
	}
	for _, require := range file.Require {
		if require.Mod.Path == module.Pins {
			return require.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s requires no %s", path, module.Pins)
}

// fingerprint covers every file of the module: pinned versions, their sums and
// our own main packages.
func (b *Builder) fingerprint(module Module) (string, error) {
	sum := sha256.New()
	root := os.DirFS(filepath.Join(b.Modules, module.Dir))
	files, err := sourceFiles(root)
	if err != nil {
		return "", fmt.Errorf("read module %s: %w", module.Dir, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(b.Modules, module.Dir, name))
		if err != nil {
			return "", fmt.Errorf("read module %s: %w", module.Dir, err)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:4]), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
