package ecs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// objects are what the conversion puts out, typed or unstructured.
type objects []runtime.Object

func (w *workload) add(object runtime.Object) { w.objects = append(w.objects, object) }

func (c *converter) task(t ledger.Task) { c.tasks = append(c.tasks, t) }

// custom returns an object of a kind whose Go types this module does not import.
func (w *workload) custom(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	meta := w.meta(name)
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "spec": spec}}
	object.SetName(name)
	object.SetNamespace(meta.Namespace)
	object.SetLabels(meta.Labels)
	return object
}

// order is that in which objects can be applied: what others refer to first.
var order = []string{
	"ServiceAccount", "PodIdentityAssociation", "SecurityGroupPolicy", "Secret", "SecretStore", "ExternalSecret", "ConfigMap",
	"PersistentVolume", "PersistentVolumeClaim", "RAGService", "Deployment", "DaemonSet", "Service", "NetworkPolicy",
	"PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject", "Ingress", "PrometheusRule",
}

// sorted returns the objects as they are printed.
func (o objects) sorted() ([]*unstructured.Unstructured, error) {
	result := []*unstructured.Unstructured{}
	for _, object := range o {
		converted, err := toUnstructured(object)
		if err != nil {
			return nil, err
		}
		result = append(result, converted)
	}
	slices.SortStableFunc(result, func(a, b *unstructured.Unstructured) int {
		return cmp.Or(cmp.Compare(rank(a.GetKind()), rank(b.GetKind())), cmp.Compare(a.GetName(), b.GetName()))
	})
	return result, nil
}

func rank(kind string) int {
	if i := slices.Index(order, kind); i >= 0 {
		return i
	}
	return len(order)
}

// toUnstructured turns an object into what is printed: without status and without
// the null timestamps that typed objects have.
func toUnstructured(object runtime.Object) (*unstructured.Unstructured, error) {
	if u, ok := object.(*unstructured.Unstructured); ok {
		return u, nil
	}
	kinds, _, err := outputScheme.ObjectKinds(object)
	if err != nil {
		return nil, err
	}
	gvk := kinds[0]
	data, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", gvk.Kind, err)
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(data, &content); err != nil {
		return nil, fmt.Errorf("read back %s: %w", gvk.Kind, err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	delete(content, "status")
	prune(content)
	return u, nil
}

// prune removes the null members and empty structs that typed objects write, all the
// way down.
func prune(content map[string]any) {
	for key, value := range content {
		switch value := value.(type) {
		case nil:
			delete(content, key)
		case map[string]any:
			if len(value) == 0 && (key == "resources" || key == "strategy" || key == "metadata") {
				delete(content, key)
			}
			prune(value)
		case []any:
			for _, item := range value {
				if m, ok := item.(map[string]any); ok {
					prune(m)
				}
			}
		}
	}
}

// outputScheme knows the kinds of the typed objects.
var outputScheme = func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	builder := runtime.NewSchemeBuilder(corev1.AddToScheme, appsv1.AddToScheme, autoscalingv2.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, api.AddToScheme)
	if err := builder.AddToScheme(scheme); err != nil {
		panic(err) // two of our own types under one name
	}
	return scheme
}()
