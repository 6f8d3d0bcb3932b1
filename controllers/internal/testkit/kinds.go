package testkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
)

// Children names what a service owns, such as "Deployment/support", sorted. The
// hash in a configuration's name is left out.
func (e *Environment) Children(ctx context.Context, service *v1alpha1.RAGService) ([]string, error) {
	owned, err := e.Owned(ctx, service.Namespace)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, child := range owned {
		if child.Owner == service.UID {
			names = append(names, child.String())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Owned is an object that is a service's, or says so.
type Owned struct {
	build.Child
	UID types.UID
	// Owner is the service; empty where there is none.
	Owner types.UID
}

// Owned lists all objects of a namespace that have a service as their controller or
// carry the operator's labels, of every kind that a child may have.
func (e *Environment) Owned(ctx context.Context, namespace string) ([]Owned, error) {
	var result []Owned
	for _, kind := range Kinds() {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := e.Client.List(ctx, list, client.InNamespace(namespace))
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			continue // an optional kind, of which there is none here
		}
		if err != nil {
			return nil, err
		}
		for _, item := range list.Items {
			o := Owned{Child: build.Child{Kind: kind, Name: item.Name}, UID: item.UID}
			if controller := metav1.GetControllerOf(&item); controller != nil && controller.Kind == "RAGService" {
				o.Owner = controller.UID
			}
			if o.Owner != "" || item.Labels[build.LabelManagedBy] == build.FieldOwner {
				result = append(result, o)
			}
		}
	}
	return result, nil
}

// Kinds are those that children may have.
func Kinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, name := range build.Names(Service("", "a"), "a") {
		if !slices.Contains(kinds, name.Kind) {
			kinds = append(kinds, name.Kind)
		}
	}
	return kinds
}

// CollectGarbage plays the garbage collector, which a bare API server lacks: it
// deletes what belongs to services that are gone.
func (e *Environment) CollectGarbage(ctx context.Context, namespace string) error {
	owned, err := e.Owned(ctx, namespace)
	if err != nil {
		return err
	}
	services := &v1alpha1.RAGServiceList{} // listed last: an owner is older than what it owns
	if err := e.Client.List(ctx, services, client.InNamespace(namespace)); err != nil {
		return err
	}
	var errs []error
	for _, o := range owned {
		if o.Owner == "" || slices.ContainsFunc(services.Items, func(s v1alpha1.RAGService) bool { return s.UID == o.Owner }) {
			continue
		}
		err := e.Client.Delete(ctx, Object(o.Kind, namespace, o.Name), client.Preconditions{UID: &o.UID})
		if !apierrors.IsConflict(err) {
			errs = append(errs, client.IgnoreNotFound(err))
		}
	}
	return errors.Join(errs...)
}

// Roll plays the Deployment controller, which a bare API server lacks: all pods are
// there, of the newest revision, and ready. It waits for the least replicas, to which
// the operator brings a new Deployment once it has made it.
func (e *Environment) Roll(t *testing.T, namespace, name string) {
	t.Helper()
	Eventually(t, func(ctx context.Context) error {
		d := &appsv1.Deployment{}
		if err := e.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d); err != nil {
			return err
		}
		service := &v1alpha1.RAGService{}
		if err := e.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, service); err != nil {
			return err
		}
		n := *d.Spec.Replicas
		if n < service.Spec.Scaling.MinReplicas {
			return fmt.Errorf("the Deployment has %d replicas, and is about to get %d", n, service.Spec.Scaling.MinReplicas)
		}
		d.Status = rolled(d)
		return e.Client.Status().Update(ctx, d)
	})
}

// RollEmbedding plays the Deployment controller for a managed embedding.
func (e *Environment) RollEmbedding(t *testing.T, namespace, name string) {
	t.Helper()
	Eventually(t, func(ctx context.Context) error {
		d, service := &appsv1.Deployment{}, &v1alpha1.RAGService{}
		key := client.ObjectKey{Namespace: namespace, Name: name}
		if err := e.Client.Get(ctx, key, service); err != nil {
			return err
		}
		key.Name += "-embedding"
		if err := e.Client.Get(ctx, key, d); err != nil {
			return err
		}
		n, least := *d.Spec.Replicas, *build.ManagedEmbedding(service).MinReplicas
		if n < least {
			return fmt.Errorf("the embedding server has %d replicas, and is about to get %d", n, least)
		}
		d.Status = rolled(d)
		return e.Client.Status().Update(ctx, d)
	})
}

// rolled is the status of a Deployment whose pods are all there.
func rolled(d *appsv1.Deployment) appsv1.DeploymentStatus {
	n := *d.Spec.Replicas
	return appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
}

// RollRedis plays the StatefulSet controller for a managed Redis.
func (e *Environment) RollRedis(t *testing.T, namespace, name string) {
	t.Helper()
	Eventually(t, func(ctx context.Context) error {
		s := &appsv1.StatefulSet{}
		if err := e.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name + "-redis"}, s); err != nil {
			return err
		}
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
		return e.Client.Status().Update(ctx, s)
	})
}

// Condition waits until a condition of the service has a status, and returns it.
func (e *Environment) Condition(t *testing.T, service *v1alpha1.RAGService, kind string, want metav1.ConditionStatus) metav1.Condition {
	t.Helper()
	var found metav1.Condition
	Eventually(t, func(ctx context.Context) error {
		s := &v1alpha1.RAGService{}
		if err := e.Client.Get(ctx, client.ObjectKeyFromObject(service), s); err != nil {
			return err
		}
		if s.Status.ObservedGeneration != s.Generation {
			return fmt.Errorf("generation %d is not looked at yet", s.Generation)
		}
		for _, c := range s.Status.Conditions {
			if c.Type == kind && c.Status == want && c.ObservedGeneration == s.Generation {
				found = c
				return nil
			}
		}
		return fmt.Errorf("no condition %s=%s in %+v", kind, want, s.Status.Conditions)
	})
	return found
}

// Object is an empty object of a kind, for the API server to fill in.
func Object(kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}
