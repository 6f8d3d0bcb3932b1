package gitops

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

const root = "../.."

// kustomize builds a folder of config/.
func kustomize(t *testing.T, elements ...string) []*unstructured.Unstructured {
	t.Helper()
	folder := filepath.Join(append([]string{root, "config"}, elements...)...)
	output, err := exec.CommandContext(t.Context(), kubectlPath(), "kustomize", folder).Output()
	if err != nil {
		t.Fatalf("kubectl kustomize %s: %v", folder, err)
	}
	return decode(t, string(output))
}

// samples are the services of config/samples, each in a namespace of its own, since
// most have the same name.
func samples(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "samples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found no samples: %v", err)
	}
	all := kustomize(t, "samples", "embedded")
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		all = append(all, decode(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")...)
		for _, object := range decode(t, string(content)) {
			object.SetNamespace(name)
			all = append(all, object)
		}
	}
	return all
}

// decode reads a manifest, with the annotation by which Argo CD knows its own.
func decode(t *testing.T, manifest string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["argocd.argoproj.io/tracking-id"] = "rag-services:" + id(object)
		object.SetAnnotations(annotations)
		objects = append(objects, object)
	}
}

func id(object *unstructured.Unstructured) string {
	return object.GetKind() + ":" + object.GetNamespace() + "/" + object.GetName()
}
