package controllers_test

import (
	"context"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestOlderKubernetes runs the operator against an API server of a version that knows
// neither a tolerance nor autoscalers without a replica: what cannot be honoured shows
// in the conditions.
func TestOlderKubernetes(t *testing.T) {
	t.Parallel()
	older := testkit.Older(t, "1.34")
	namespace := older.Namespace(t)
	operator := older.Operate(t, namespace, nil)

	tolerant := testkit.Service(namespace, "tolerant", testkit.WithReplicas(2, 9), func(s *v1alpha1.RAGService) {
		s.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{CPUPercent: new(int32(80))}
		s.Spec.Scaling.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: &autoscalingv2.HPAScalingRules{Tolerance: new(resource.MustParse("0.05"))},
		}
	})
	if err := older.Client.Create(t.Context(), tolerant); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		autoscaler := &autoscalingv2.HorizontalPodAutoscaler{}
		if err := older.Client.Get(ctx, client.ObjectKeyFromObject(tolerant), autoscaler); err != nil {
			return err
		}
		autoscaler.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
			CurrentMetrics: []autoscalingv2.MetricStatus{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricStatus{
				Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: new(int32(30))},
			}}},
			Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound"}},
		}
		return older.Client.Status().Update(ctx, autoscaler)
	})
	active := older.Condition(t, tolerant, v1alpha1.ConditionScalingActive, metav1.ConditionTrue)
	if active.Reason != v1alpha1.ReasonToleranceNotServed {
		t.Errorf("ScalingActive says %s: %s, want %s", active.Reason, active.Message, v1alpha1.ReasonToleranceNotServed)
	}

	asked := testkit.Service(namespace, "asked", testkit.WithReplicas(0, 9), func(s *v1alpha1.RAGService) {
		s.Spec.Scaling.MetricsSource = v1alpha1.MetricsSourcePrometheus
		s.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{QueriesPerSecond: new(int32(50))}
		s.Spec.Scaling.Demand = &v1alpha1.Demand{Metric: "ingress_queries_per_second"}
	})
	if err := older.Client.Create(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	stalled := older.Condition(t, asked, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	if stalled.Reason != v1alpha1.ReasonInvalidSpec || !strings.Contains(stalled.Message, "spec.minReplicas: Invalid value: 0") {
		t.Errorf("Stalled says %s: %s, want what the API server says of minReplicas", stalled.Reason, stalled.Message)
	}

	settle(t, operator)
	operator.Requests.Reset()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"test":"touched"}}}`))
	if err := older.Client.Patch(t.Context(), tolerant, patch); err != nil {
		t.Fatal(err)
	}
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("a second pass wrote %v, want nothing: what the API server drops is not written again", writes)
	}
}
