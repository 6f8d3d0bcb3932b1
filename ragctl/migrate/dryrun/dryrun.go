// Package dryrun asks an API server whether it would take objects, without storing
// any: defaulting, validation rules and admission all run.
package dryrun

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner is who the server is told would apply.
const fieldOwner = "ragctl-migrate"

// Apply applies every object server-side as a dry run, and returns what the server
// refused, all of it.
func Apply(ctx context.Context, c client.Client, objects []*unstructured.Unstructured) error {
	var errs []error
	for _, object := range objects {
		if err := apply(ctx, c, object); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func apply(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	configuration := client.ApplyConfigurationFromUnstructured(object.DeepCopy())
	err := c.Apply(ctx, configuration, client.FieldOwner(fieldOwner), client.ForceOwnership, client.DryRunAll)
	switch {
	case err == nil:
		return nil
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%s %s: the cluster has no %s: install the CRD that brings it", object.GetKind(), object.GetName(), object.GroupVersionKind())
	default:
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
}
