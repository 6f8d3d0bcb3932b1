package interop

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// foreign are the fields below which Kubernetes' own types and words begin.
var foreign = regexp.MustCompile(`\.(behavior|resources|tolerations|topologySpreadConstraints|imagePullSecrets|conditions)\.|^(apiVersion|kind|metadata)$`)

// explainWidth is how wide kubectl explain writes.
const explainWidth = 76

// TestFieldsExplained reads what the API server tells kubectl explain of each field:
// all of it, whole sentences, about the field by the name that it has in YAML, and with
// its default, which kubectl explain does not show otherwise.
func TestFieldsExplained(t *testing.T) {
	definition := &unstructured.Unstructured{}
	definition.SetAPIVersion("apiextensions.k8s.io/v1")
	definition.SetKind("CustomResourceDefinition")
	if err := server.client.Get(t.Context(), client.ObjectKey{Name: "ragservices.rag.ragops.dev"}, definition); err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	schema, _, _ := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema")
	seen := 0
	eachField("", schema, func(path, name string, field map[string]any) {
		if foreign.MatchString(path) {
			return
		}
		seen++
		for _, fault := range faults(name, field) {
			t.Errorf("%s %s:\n%v", path, fault, field["description"])
		}
	})
	if seen < 200 {
		t.Errorf("there are only %d fields: they were not found", seen)
	}
}

// eachField visits the fields of a schema and of what is in it.
func eachField(path string, schema map[string]any, visit func(path, name string, field map[string]any)) {
	fields, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := fields[name].(map[string]any)
		at := strings.TrimPrefix(path+"."+name, ".")
		visit(at, name, field)
		eachField(at, field, visit)
		for _, inner := range []string{"items", "additionalProperties"} {
			if element, ok := field[inner].(map[string]any); ok {
				eachField(at, element, visit)
			}
		}
	}
}

// faults are what makes a description bad to read.
func faults(name string, field map[string]any) []string {
	description, _ := field["description"].(string)
	var found []string
	if first, _, _ := strings.Cut(description, " "); strings.Trim(first, ",;") != name {
		found = append(found, "does not begin with its name")
	}
	if !strings.HasSuffix(description, ".") && !strings.HasSuffix(description, `."`) {
		found = append(found, "does not end with a sentence")
	}
	for line := range strings.SplitSeq(description, "\n") {
		if len(line) > explainWidth && strings.Contains(line, " ") {
			found = append(found, fmt.Sprintf("has a line longer than the %d characters at which kubectl breaks it once more", explainWidth))
		}
	}
	if strings.Contains(description, "TODO") || strings.Contains(description, "+kubebuilder") {
		found = append(found, "says what is for the programmer")
	}
	switch value := field["default"].(type) {
	case nil, map[string]any:
	default:
		words := strings.NewReplacer("\n", " ", `"`, "").Replace(description)
		if !strings.Contains(words, fmt.Sprintf("Defaults to %v", value)) {
			found = append(found, fmt.Sprintf("does not say its default %v", value))
		}
	}
	return found
}

// TestExplain asks kubectl, as people do.
func TestExplain(t *testing.T) {
	tests := []struct {
		field string
		want  []string
	}{
		{"ragservice", []string{"RAGService declares a retrieval-augmented question-answering service", "spec\t<Object> -required-"}},
		{"rag.spec.model", []string{"Exactly one\n    provider must be set.", "Defaults to 30s.", "openAI\t<Object>"}},
		{"rag.spec.cache.scope", []string{"ENUM:\n    Shared\n    Tenant\n    User", "Defaults to Shared."}},
		{"rag.spec.scaling.minReplicas", []string{"<integer>", "Defaults to 2."}},
		{"rag.status.load.p95Latency", []string{"of the last minute"}},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			var output string
			eventually(t, func(ctx context.Context) (err error) { // a new definition takes the API server seconds to describe
				output, err = kubectl(ctx, "explain", tt.field)
				return err
			})
			for _, want := range tt.want {
				if !strings.Contains(output, want) {
					t.Errorf("it does not say %q:\n%s", want, output)
				}
			}
		})
	}
}
