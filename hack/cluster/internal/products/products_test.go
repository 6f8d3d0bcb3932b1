package products

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
)

func TestProductsAreThere(t *testing.T) {
	repository := filepath.Join("..", "..", "..", "..")
	for productName, product := range products {
		t.Run(productName, func(t *testing.T) {
			if _, err := name.NewTag(product.reference); err != nil {
				t.Error(err)
			}
			if product.pack != nil {
				return
			}
			if _, err := os.Stat(filepath.Join(repository, product.module, product.mainPackage, "main.go")); err != nil {
				t.Error(err)
			}
		})
	}
	for _, productName := range Demo() {
		if !slices.Contains(Names(), productName) {
			t.Errorf("the demo needs %q, which is no product", productName)
		}
	}
}

func TestBuildRefusesAnUnknownImage(t *testing.T) {
	tests := []struct {
		name    string
		factory Factory
		wanted  []string
	}{
		{name: "as the one to build", wanted: []string{"oprator"}},
		{name: "as the one to rename", factory: Factory{References: map[string]string{"oprator": "a:b"}}, wanted: []string{"redis"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.factory.Dir = t.TempDir()
			_, err := test.factory.Build(t.Context(), test.wanted...)
			if err == nil || !strings.Contains(err.Error(), `no image "oprator"; there are caller, crowd, externals, operator, postgres, puppet, redis, runtime, standin`) {
				t.Errorf("error is %v, want one that names the images there are", err)
			}
		})
	}
}
