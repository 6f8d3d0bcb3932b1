package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "ragops.dev/ragservice/"

// rules say what the packages below a path may not import, directly or through
// others of this module.
var rules = []struct {
	name string
	// of are the packages that the rule is about, by prefix.
	of []string
	// never are what they may not import, by prefix; but are exceptions.
	never, but []string
}{
	{
		name:  "the runtime knows nothing of Kubernetes",
		of:    []string{module + "runtime/", module + "cmd/runtime"},
		never: []string{"k8s.io/", "sigs.k8s.io/", module + "controllers", module + "api/"},
	},
	{
		name:  "of the runtime the operator knows the configuration only",
		of:    []string{module + "controllers", module + "cmd/operator"},
		never: []string{module + "runtime/"},
		but:   []string{module + "runtime/config"},
	},
	{
		name: "who decides and builds takes no client",
		of:   []string{module + "controllers/internal/decide", module + "controllers/internal/build", module + "controllers/internal/status"},
		never: []string{
			"sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/client-go/kubernetes", "k8s.io/client-go/rest", "net/http",
		},
	},
	{
		name:  "the API knows no one",
		of:    []string{module + "api/"},
		never: []string{module + "controllers", module + "runtime/", module + "ragctl/", "sigs.k8s.io/controller-runtime"},
	},
}

// imports are those of one package, as go list says.
type imports struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	packages := list(t)
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			found := false
			for path := range packages {
				if !hasPrefix(path, rule.of) {
					continue
				}
				found = true
				if chain := forbidden(packages, path, rule.never, rule.but, map[string]bool{}); chain != nil {
					t.Errorf("%s", strings.Join(chain, " imports "))
				}
			}
			if !found {
				t.Errorf("no package below %v: is the rule still right?", rule.of)
			}
		})
	}
}

// list asks go for the packages of this module.
func list(t *testing.T) map[string][]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	command.Dir = "../.."
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := map[string][]string{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p imports
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p.Imports
	}
}

// forbidden is the way from a package to one it may not import; nil where there is
// none. Only packages of this module are followed: what a library does is its own.
func forbidden(packages map[string][]string, path string, never, but []string, seen map[string]bool) []string {
	seen[path] = true
	for _, next := range packages[path] {
		if hasPrefix(next, never) && !hasPrefix(next, but) {
			return []string{path, next}
		}
		if _, own := packages[next]; own && !seen[next] {
			if chain := forbidden(packages, next, never, but, seen); chain != nil {
				return append([]string{path}, chain...)
			}
		}
	}
	return nil
}

func hasPrefix(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}
