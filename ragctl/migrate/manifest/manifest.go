// Package manifest writes Kubernetes objects for people and tools to apply: as one
// stream of YAML, as one JSON list, or as a directory for kustomize. It writes the
// objects as they are and in the order given.
package manifest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// YAML writes the objects as a stream of documents.
func YAML(w io.Writer, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", data); err != nil {
			return err
		}
	}
	return nil
}

// JSON writes the objects as one List.
func JSON(w io.Writer, objects []*unstructured.Unstructured) error {
	items := make([]any, 0, len(objects))
	for _, object := range objects {
		items = append(items, object.Object)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}

// Directory writes one file per object and a kustomization.yaml that lists them. It
// makes the directory where there is none, and touches no other file in it.
func Directory(dir string, objects []*unstructured.Unstructured) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	kustomization := struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}{APIVersion: "kustomize.config.k8s.io/v1beta1", Kind: "Kustomization"}
	for _, object := range objects {
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		name := strings.ToLower(object.GetKind()) + "-" + object.GetName() + ".yaml"
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
		kustomization.Resources = append(kustomization.Resources, name)
	}
	data, err := yaml.Marshal(kustomization)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "kustomization.yaml"), data, 0o644)
}
