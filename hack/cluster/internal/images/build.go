package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// GoProgram builds the main package, named as `go build` would from dir, and
// writes the archive of an image that holds nothing but it.
func GoProgram(ctx context.Context, dir, mainPackage, reference, archive string) error {
	program := strings.TrimSuffix(archive, filepath.Ext(archive))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", program, mainPackage)
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
	programs, err := withLibraries(ctx,
		File{Path: "/usr/local/bin/redis-server", Source: redisSource},
		File{Path: "/usr/local/bin/redis-cli", Source: "/usr/bin/redis-cli"},
	)
	if err != nil {
		return err
	}
	files := append(append(accounts(), File{Path: "/data/.keep"}), programs...)
	return Write(Image{Reference: reference, Files: files, Entrypoint: []string{"/usr/local/bin/redis-server"}}, archive)
}

// Postgres makes an image of this machine's PostgreSQL, the newest there is, with
// the shell that initdb calls it by. It runs the command it is given; the programs
// are on its path.
func Postgres(ctx context.Context, reference, archive string) error {
	folders, err := filepath.Glob("/usr/lib/postgresql/*")
	if err != nil || len(folders) == 0 {
		return errors.Join(errors.New("there is no /usr/lib/postgresql/VERSION"), err)
	}
	slices.SortFunc(folders, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	home := folders[len(folders)-1]
	bin := filepath.Join(home, "bin")
	files, err := withLibraries(ctx,
		File{Path: "/bin/sh", Source: "/bin/sh"},
		File{Path: filepath.Join(bin, "initdb"), Source: filepath.Join(bin, "initdb")},
		File{Path: filepath.Join(bin, "postgres"), Source: filepath.Join(bin, "postgres")},
		File{Path: filepath.Join(bin, "psql"), Source: filepath.Join(bin, "psql")},
	)
	if err != nil {
		return err
	}
	files = append(files, accounts()...)
	// The modules that initdb loads need no library that the server does not.
	for _, module := range []string{"plpgsql.so", "dict_snowball.so"} {
		path := filepath.Join(home, "lib", module)
		files = append(files, File{Path: path, Source: path})
	}
	shared, err := folder(filepath.Join("/usr/share/postgresql", filepath.Base(home)))
	if err != nil {
		return err
	}
	return Write(Image{
		Reference:  reference,
		Files:      append(files, shared...),
		Entrypoint: []string{"/bin/sh"},
		Env:        []string{"PATH=" + bin, "LC_ALL=C", "TZ=UTC"},
	}, archive)
}

// folder lists the files under a folder, each under the path it has here.
func folder(root string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files = append(files, File{Path: path, Source: path})
		return nil
	})
	return files, err
}

// withLibraries are the programs and the libraries they are loaded with, each
// once.
func withLibraries(ctx context.Context, programs ...File) ([]File, error) {
	files := programs
	seen := map[string]bool{}
	for _, program := range programs {
		output, err := exec.CommandContext(ctx, "ldd", program.Source).Output()
		if err != nil {
			return nil, fmt.Errorf("list the libraries of %s: %w", program.Source, err)
		}
		for _, library := range libraries(string(output)) {
			if !seen[library] {
				seen[library] = true
				files = append(files, File{Path: library, Source: library})
			}
		}
	}
	return files, nil
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
