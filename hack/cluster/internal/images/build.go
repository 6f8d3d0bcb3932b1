package images

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// GoProgram builds the main package, named as `go build` would from dir, and
// writes the archive of an image that holds nothing but it.
func GoProgram(ctx context.Context, dir, mainPackage, reference, archive string) error {
	program := strings.TrimSuffix(archive, filepath.Ext(archive))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, mainPackage)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", mainPackage, err, output)
	}
	entrypoint := "/" + filepath.Base(program)
	return Write(Image{
		Reference:  reference,
		Files:      append(accounts(), File{Path: entrypoint, Source: program}),
		Entrypoint: []string{entrypoint},
	}, archive)
}

// redisSource is Debian's redis-server: one program that looks at its own name.
// Under this name the package redis-tools has it, which starts no service.
const redisSource = "/usr/bin/redis-check-rdb"

// Redis makes an image of this machine's Redis and the libraries it needs. It
// has the paths of the official image, and knows that one's user, 999, by name.
func Redis(ctx context.Context, reference, archive string) error {
	files := append(accounts(),
		File{Path: "/usr/local/bin/redis-server", Source: redisSource},
		File{Path: "/usr/local/bin/redis-cli", Source: "/usr/bin/redis-cli"},
		File{Path: "/data/.keep"},
	)
	seen := map[string]bool{}
	for _, program := range []string{redisSource, "/usr/bin/redis-cli"} {
		output, err := exec.CommandContext(ctx, "ldd", program).Output()
		if err != nil {
			return fmt.Errorf("list the libraries of %s: %w", program, err)
		}
		for _, library := range libraries(string(output)) {
			if !seen[library] {
				seen[library] = true
				files = append(files, File{Path: library, Source: library})
			}
		}
	}
	return Write(Image{Reference: reference, Files: files, Entrypoint: []string{"/usr/local/bin/redis-server"}}, archive)
}

// accounts are the files by which programs find the name of their user, and the
// folder for temporary files.
func accounts() []File {
	return []File{
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/:/sbin/nologin\nredis:x:999:999:redis:/data:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"},
		{Path: "/etc/group", Content: "root:x:0:\nredis:x:999:\nnonroot:x:65532:\n"},
		{Path: "/tmp/.keep"},
	}
}

// lddPath matches the absolute path on a line of ldd, with or without a name
// and an arrow before it.
var lddPath = regexp.MustCompile(`(?m)^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$`)

// libraries are the files that ldd says a program is loaded with.
func libraries(ldd string) []string {
	var paths []string
	for _, match := range lddPath.FindAllStringSubmatch(ldd, -1) {
		paths = append(paths, match[1])
	}
	return paths
}
