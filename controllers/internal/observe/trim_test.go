package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestTrim checks what is left of an object in the cache, and that a second time
// changes nothing.
func TestTrim(t *testing.T) {
	identity := metav1.ObjectMeta{
		Name: "support", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Thing", Name: "support", UID: "1"}},
	}
	pods := func(container corev1.Container, more corev1.PodSpec) corev1.PodTemplateSpec {
		more.Containers = []corev1.Container{container}
		return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"e": "f"}}, Spec: more}
	}
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: new(int32(5))}}
	metadata := &metav1.PartialObjectMetadata{ObjectMeta: *identity.DeepCopy()}
	tests := []struct {
		name     string
		in, want client.Object
	}{
		{"metadata", metadata.DeepCopy(), metadata},
		{
			"Deployment",
			&appsv1.Deployment{
				ObjectMeta: *identity.DeepCopy(),
				Spec: appsv1.DeploymentSpec{
					Replicas: new(int32(3)), RevisionHistoryLimit: new(int32(3)),
					Template: pods(corev1.Container{Name: "runtime", Image: "g", Args: []string{"h"}}, corev1.PodSpec{ServiceAccountName: "support"}),
				},
				Status: appsv1.DeploymentStatus{AvailableReplicas: 2},
			},
			&appsv1.Deployment{
				ObjectMeta: identity,
				Spec:       appsv1.DeploymentSpec{Replicas: new(int32(3)), Template: pods(corev1.Container{Name: "runtime", Image: "g"}, corev1.PodSpec{})},
				Status:     appsv1.DeploymentStatus{AvailableReplicas: 2},
			},
		},
		{
			"StatefulSet",
			&appsv1.StatefulSet{
				ObjectMeta: *identity.DeepCopy(), Spec: appsv1.StatefulSetSpec{ServiceName: "support"},
				Status: appsv1.StatefulSetStatus{ReadyReplicas: 1},
			},
			&appsv1.StatefulSet{ObjectMeta: identity, Status: appsv1.StatefulSetStatus{ReadyReplicas: 1}},
		},
		{
			"HorizontalPodAutoscaler",
			&autoscalingv2.HorizontalPodAutoscaler{
				ObjectMeta: *identity.DeepCopy(), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 4, Behavior: behavior.DeepCopy()},
				Status: autoscalingv2.HorizontalPodAutoscalerStatus{DesiredReplicas: 2},
			},
			&autoscalingv2.HorizontalPodAutoscaler{
				ObjectMeta: identity, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{Behavior: behavior},
				Status: autoscalingv2.HorizontalPodAutoscalerStatus{DesiredReplicas: 2},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got any = tt.in
			for range 2 {
				var err error
				if got, err = Trim(got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(any(tt.want), got); diff != "" {
					t.Errorf("trimmed (-want +got):\n%s", diff)
				}
			}
		})
	}
	tombstone := cache.DeletedFinalStateUnknown{Key: "default/support"}
	if got, err := Trim(tombstone); err != nil || got != any(tombstone) {
		t.Errorf("a tombstone became %v, %v", got, err)
	}
}
