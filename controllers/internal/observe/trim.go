package observe

import (
	"unique"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"ragops.dev/ragservice/controllers/internal/fields"
)

// Trim keeps of an object that enters the cache what decisions are made from. Of a
// Deployment that is a twentieth: what its pods look like is the operator's own, and
// whether it still is tell the managed fields; see [fields.Transform].
func Trim(in any) (any, error) {
	out, err := fields.Transform(in)
	if err != nil {
		return nil, err
	}
	if object, err := meta.Accessor(out); err == nil { // a tombstone of the cache has none
		share(object)
	}
	switch object := out.(type) {
	case *appsv1.Deployment:
		object.Spec = appsv1.DeploymentSpec{Replicas: object.Spec.Replicas, Template: trimTemplate(object.Spec.Template)}
	case *appsv1.StatefulSet:
		object.Spec = appsv1.StatefulSetSpec{}
	case *autoscalingv2.HorizontalPodAutoscaler:
		object.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{Behavior: object.Spec.Behavior}
	}
	return out, nil
}

// trimTemplate keeps which configuration and which image the pods run.
func trimTemplate(template corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	trimmed := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: template.Labels}}
	for _, c := range template.Spec.Containers {
		trimmed.Spec.Containers = append(trimmed.Spec.Containers, corev1.Container{Name: c.Name, Image: c.Image})
	}
	return trimmed
}

// share makes all objects of the cache hold one copy of what is the same in many:
// labels and owners are half of what is kept of a child.
func share(object metav1.Object) {
	labels := shareKeys(object.GetLabels())
	for key, value := range labels {
		labels[key] = one(value)
	}
	object.SetLabels(labels)
	object.SetAnnotations(shareKeys(object.GetAnnotations()))
	owners := object.GetOwnerReferences()
	for i := range owners {
		o := &owners[i]
		o.APIVersion, o.Kind, o.Name, o.UID = one(o.APIVersion), one(o.Kind), one(o.Name), types.UID(one(string(o.UID)))
	}
	object.SetOwnerReferences(owners)
}

func shareKeys(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for key, value := range in {
		out[one(key)] = value
	}
	return out
}

func one(text string) string { return unique.Make(text).Value() }
