package migratetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/render"
)

// TestKEDATakesScaledObjects creates the ScaledObjects that the operator makes, under
// KEDA's own definition, strictly: an unknown field is an error, and what is read back
// is what was written.
func TestKEDATakesScaledObjects(t *testing.T) {
	for _, file := range []string{"config/samples/keda.yaml", "controllers/internal/build/testdata/keda.yaml"} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			service, err := render.Admit(t.Context(), data)
			if err != nil {
				t.Fatal(err)
			}
			service.Namespace = namespace(t)
			children, err := render.Children(service, render.Options{RuntimeImage: "runtime"})
			if err != nil {
				t.Fatal(err)
			}
			made := 0
			for _, child := range children {
				if child.GetKind() != "ScaledObject" {
					continue
				}
				made++
				sent := encode(t, child.Object["spec"])
				if err := client.WithFieldValidation(server, metav1.FieldValidationStrict).Create(t.Context(), child); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(sent, encode(t, child.Object["spec"])); diff != "" {
					t.Errorf("KEDA's definition changes it (-sent +kept):\n%s", diff)
				}
			}
			if made != 1 {
				t.Errorf("the service gets %d ScaledObjects, want 1", made)
			}
		})
	}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
