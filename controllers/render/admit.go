// Package render does offline what the API server and the operator do with a
// RAGService: it checks it against the definition's schema and rules, fills in the
// defaults and builds the children. It talks to no cluster.
package render

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole, as the rules expect
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/config/crd"
)

// definition is the CRD, ready to check objects with.
type definition struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

var load = sync.OnceValues(func() (*definition, error) {
	var d apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(crd.RAGServices, &d); err != nil {
		return nil, fmt.Errorf("read the definition of RAGService: %w", err)
	}
	var props apiextensions.JSONSchemaProps
	in := d.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(in, &props, nil); err != nil {
		return nil, fmt.Errorf("convert the definition of RAGService: %w", err)
	}
	structural, err := schema.NewStructural(&props)
	if err != nil {
		return nil, fmt.Errorf("read the schema of RAGService: %w", err)
	}
	validator, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, fmt.Errorf("read the schema of RAGService: %w", err)
	}
	return &definition{structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
})

// Admit reads a RAGService from YAML or JSON as the API server would: what it would
// refuse is an error that names every field in the way, and the defaults are filled
// in.
func Admit(ctx context.Context, data []byte) (*v1alpha1.RAGService, error) {
	d, err := load()
	if err != nil {
		return nil, err
	}
	data, err = yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, fmt.Errorf("is no YAML: %w", err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("is no object: %w", err)
	}
	want := v1alpha1.SchemeGroupVersion.String()
	if object["apiVersion"] != want || object["kind"] != "RAGService" {
		return nil, fmt.Errorf("is %v %v, and must be %s RAGService", object["apiVersion"], object["kind"], want)
	}
	if unknown := pruning.PruneWithOptions(object, d.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}); len(unknown) > 0 {
		return nil, fmt.Errorf("unknown fields: %s", strings.Join(unknown, ", "))
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.structural)
	defaulting.Default(object, d.structural)
	errs := validation.ValidateCustomResource(field.NewPath(""), object, d.schema)
	errs = append(errs, listtype.ValidateListSetsAndMaps(field.NewPath(""), d.structural, object)...)
	if len(errs) == 0 { // the rules expect what the schema ensures
		errs, _ = d.rules.Validate(ctx, nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	service := &v1alpha1.RAGService{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, service); err != nil {
		return nil, err
	}
	return service, nil
}
