// Package inspect gathers what a person asks of a running RAGService: its
// conditions, objectives and load, and the objects it owns with the state of
// each. It reads the cluster and writes nothing.
package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Report is one RAGService with all it owns.
type Report struct {
	Service *v1alpha1.RAGService `json:"service"`
	// Autoscaler is nil where the service has a fixed size.
	Autoscaler *Autoscaler `json:"autoscaler,omitempty"`
	Children   []Object    `json:"children"`
}

// Object is a child of the service, or of one of its children.
type Object struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// State in a few words; empty for a kind that has none.
	State string `json:"state,omitempty"`
	// Trouble is whether the state wants a look.
	Trouble  bool     `json:"trouble,omitempty"`
	Children []Object `json:"children,omitempty"`
}

// kinds are what a RAGService, its Deployment or its StatefulSet may own. Kinds
// whose CRD the cluster lacks are passed over.
var kinds = []schema.GroupVersionKind{
	appsv1.SchemeGroupVersion.WithKind("Deployment"),
	appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
	appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
	corev1.SchemeGroupVersion.WithKind("Pod"),
	corev1.SchemeGroupVersion.WithKind("Service"),
	autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"),
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"},
	{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"},
	{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"},
	{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"},
	corev1.SchemeGroupVersion.WithKind("ConfigMap"),
	corev1.SchemeGroupVersion.WithKind("Secret"),
	corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
}

// metadataOnly are kinds whose content a status has no business with.
var metadataOnly = []string{"ConfigMap", "Secret", "ServiceAccount", "NetworkPolicy"}

// Collect reads the service and the objects below it. A kind that the caller may
// not list is an error, since the tree would lack something without a word.
func Collect(ctx context.Context, reader client.Reader, key types.NamespacedName) (*Report, error) {
	service := &v1alpha1.RAGService{}
	if err := reader.Get(ctx, key, service); err != nil {
		return nil, err
	}
	owned := map[types.UID][]found{}
	for _, kind := range kinds {
		objects, err := list(ctx, reader, kind, key.Namespace)
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			if owner := metav1.GetControllerOf(object); owner != nil {
				owned[owner.UID] = append(owned[owner.UID], found{kind.Kind, object})
			}
		}
	}
	autoscaler, err := autoscalerOf(owned, service)
	if err != nil {
		return nil, err
	}
	return &Report{Service: service, Autoscaler: autoscaler, Children: tree(owned, service.UID)}, nil
}

type found struct {
	kind   string
	object client.Object
}

func list(ctx context.Context, reader client.Reader, kind schema.GroupVersionKind, namespace string) ([]client.Object, error) {
	listKind := kind.GroupVersion().WithKind(kind.Kind + "List")
	var objects client.ObjectList
	if slices.Contains(metadataOnly, kind.Kind) {
		partial := &metav1.PartialObjectMetadataList{}
		partial.SetGroupVersionKind(listKind)
		objects = partial
	} else {
		full := &unstructured.UnstructuredList{}
		full.SetGroupVersionKind(listKind)
		objects = full
	}
	err := reader.List(ctx, objects, client.InNamespace(namespace))
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.GroupKind(), err)
	}
	items, err := meta.ExtractList(objects)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.GroupKind(), err)
	}
	var result []client.Object
	for _, item := range items {
		result = append(result, item.(client.Object)) // both list types hold nothing else
	}
	return result, nil
}

// tree turns what was found into the objects below owner. ReplicaSets that hold
// no pod are past revisions and left out.
func tree(owned map[types.UID][]found, owner types.UID) []Object {
	var objects []Object
	for _, f := range owned[owner] {
		children := tree(owned, f.object.GetUID())
		if f.kind == "ReplicaSet" && len(children) == 0 {
			continue
		}
		state, trouble := stateOf(f.kind, f.object)
		objects = append(objects, Object{Kind: f.kind, Name: f.object.GetName(), State: state, Trouble: trouble, Children: children})
	}
	return objects
}

func stateOf(kind string, object client.Object) (state string, trouble bool) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return "", false
	}
	switch kind {
	case "Deployment", "StatefulSet", "ReplicaSet":
		want, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		ready, _, _ := unstructured.NestedInt64(u.Object, "status", "readyReplicas")
		return fmt.Sprintf("%d/%d ready", ready, want), ready < want
	case "Pod":
		return podState(u)
	case "HorizontalPodAutoscaler":
		return autoscalerState(u)
	case "ScaledObject":
		return scaledObjectState(u)
	case "PodDisruptionBudget":
		allowed, _, _ := unstructured.NestedInt64(u.Object, "status", "disruptionsAllowed")
		return fmt.Sprintf("%d disruptions allowed", allowed), false
	case "Service":
		address, _, _ := unstructured.NestedString(u.Object, "spec", "clusterIP")
		return address, false
	}
	return "", false
}

func podState(u *unstructured.Unstructured) (string, bool) {
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &pod); err != nil {
		return "unreadable: " + err.Error(), true
	}
	var restarts int32
	for _, status := range pod.Status.ContainerStatuses {
		restarts += status.RestartCount
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "" {
			return strings.TrimSpace(waiting.Reason + " " + firstLine(waiting.Message)), true
		}
	}
	state := string(pod.Status.Phase)
	ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
	if ready {
		state = "Ready"
	}
	if restarts > 0 {
		state += fmt.Sprintf(", %d restarts", restarts)
	}
	return state, !ready
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
