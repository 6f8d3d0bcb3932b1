// Package kinds says which kinds of children there are to watch, and how much the
// operator reads of an object of each.
package kinds

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/internal/build"
)

// ReplicaSet is watched to know which configurations are in use.
var ReplicaSet = appsv1.SchemeGroupVersion.WithKind("ReplicaSet")

// Watched are the kinds that carry the operator's labels. To them come those of
// [build.OptionalKinds] that the cluster serves.
var Watched = []schema.GroupVersionKind{
	build.ServiceAccountKind, build.ConfigMapKind, build.SecretKind, build.ServiceKind,
	build.DisruptionKind, build.NetworkPolicyKind, build.IngressKind, ReplicaSet,
	build.DeploymentKind, build.StatefulSetKind, build.AutoscalerKind,
}

// Empty is what an object of the kind is read into: workloads and autoscalers whole, for
// their status; of the others metadata will do, since their content is the operator's
// own.
func Empty(kind schema.GroupVersionKind) client.Object {
	switch kind {
	case build.DeploymentKind:
		return &appsv1.Deployment{}
	case build.StatefulSetKind:
		return &appsv1.StatefulSet{}
	case build.AutoscalerKind:
		return &autoscalingv2.HorizontalPodAutoscaler{}
	default:
		return Metadata(kind)
	}
}

// Metadata is what the metadata of an object of the kind is read into.
func Metadata(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	return object
}
