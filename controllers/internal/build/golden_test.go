package build_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

// input builds the service of a file in testdata, with the defaults of its schema.
func input(t *testing.T, file string) build.Input {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	service, err := render.Admit(t.Context(), data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	service.UID = "7d1f0c6e-0000-4000-8000-000000000000"
	content, err := build.Configuration(service)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	image := build.EmbeddingImage
	if server := build.ManagedEmbedding(service); server != nil {
		image = cmp.Or(server.Image, image)
	}
	return build.Input{
		Service:        service,
		Content:        content,
		Image:          "ragservice-runtime:v1",
		RecordImage:    service.Spec.Workload.Image == "",
		EmbeddingImage: image,
		RedisPassword:  "0123456789ab",
		Operator:       build.Operator{Namespace: "ragservice-system", MonitoringNamespaces: []string{"monitoring"}},
	}
}

// TestGolden compares every child of the services in testdata with its golden file.
// They are the promise that an upgrade of the operator restarts no pod: a change of
// a pod template here restarts the pods of every service out there.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no services in testdata: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			children, err := build.Children(input(t, file))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, child := range children {
				if child.Config != nil {
					got[golden(child)] = encode(t, child)
				}
			}
			folder := filepath.Join("testdata", name)
			if *update {
				write(t, folder, got)
			}
			if diff := gocmp.Diff(read(t, folder), got); diff != "" {
				t.Errorf("children differ from %s (-want +got); -update writes them anew:\n%s", folder, diff)
			}
		})
	}
}

// golden names a child's file; the hash in a ConfigMap's name is left out.
func golden(child build.Child) string {
	name, _, hashed := strings.Cut(child.Name, "-config-")
	if hashed {
		name += "-config"
	}
	return strings.ToLower(child.Kind.Kind) + "-" + name + ".yaml"
}

func encode(t *testing.T, child build.Child) string {
	t.Helper()
	data, err := json.Marshal(child.Config)
	if err != nil {
		t.Fatal(err)
	}
	data, err = yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}
