package build

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"

	"ragops.dev/ragservice/api/v1alpha1"
)

// The targets where the spec names none: those of the migration guide.
const (
	defaultCPUPercent    = 80
	defaultMemoryPercent = 85
)

// Metrics of a pod in the custom metrics API.
const (
	// MetricQueriesPerSecond is the rate of the last minute.
	MetricQueriesPerSecond = "rag_queries_per_second"
	// MetricQueriesInFlight is the number at this moment, queued ones included.
	MetricQueriesInFlight = "rag_queries_in_flight"
)

func autoscaler(s *v1alpha1.RAGService) (*autoscalingv2ac.HorizontalPodAutoscalerApplyConfiguration, error) {
	if !Autoscaled(s) {
		return nil, nil
	}
	behavior, err := autoscalerBehavior(s.Spec.Scaling.Behavior)
	if err != nil {
		return nil, err
	}
	return autoscalingv2ac.HorizontalPodAutoscaler(s.Name, s.Namespace).
		WithLabels(labels(s, ComponentRuntime)).
		WithOwnerReferences(owner(s)).
		WithSpec(autoscalingv2ac.HorizontalPodAutoscalerSpec().
			WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().
				WithAPIVersion(DeploymentKind.GroupVersion().String()).
				WithKind(DeploymentKind.Kind).
				WithName(s.Name)).
			WithMinReplicas(s.Spec.Scaling.MinReplicas).
			WithMaxReplicas(s.Spec.Scaling.MaxReplicas).
			WithMetrics(autoscalerMetrics(s.Spec.Scaling.Targets)...).
			WithBehavior(behavior)), nil
}

func autoscalerMetrics(targets *v1alpha1.ScalingTargets) []*autoscalingv2ac.MetricSpecApplyConfiguration {
	if targets == nil {
		targets = &v1alpha1.ScalingTargets{CPUPercent: new(int32(defaultCPUPercent)), MemoryPercent: new(int32(defaultMemoryPercent))}
	}
	var metrics []*autoscalingv2ac.MetricSpecApplyConfiguration
	resourceUse := func(name corev1.ResourceName, percent *int32) {
		if percent == nil {
			return
		}
		metrics = append(metrics, autoscalingv2ac.MetricSpec().
			WithType(autoscalingv2.ResourceMetricSourceType).
			WithResource(autoscalingv2ac.ResourceMetricSource().
				WithName(name).
				WithTarget(autoscalingv2ac.MetricTarget().
					WithType(autoscalingv2.UtilizationMetricType).
					WithAverageUtilization(*percent))))
	}
	perPod := func(name string, value *int32) {
		if value == nil {
			return
		}
		metrics = append(metrics, autoscalingv2ac.MetricSpec().
			WithType(autoscalingv2.PodsMetricSourceType).
			WithPods(autoscalingv2ac.PodsMetricSource().
				WithMetric(autoscalingv2ac.MetricIdentifier().WithName(name)).
				WithTarget(autoscalingv2ac.MetricTarget().
					WithType(autoscalingv2.AverageValueMetricType).
					WithAverageValue(*resource.NewQuantity(int64(*value), resource.DecimalSI)))))
	}
	resourceUse(corev1.ResourceCPU, targets.CPUPercent)
	resourceUse(corev1.ResourceMemory, targets.MemoryPercent)
	perPod(MetricQueriesPerSecond, targets.QueriesPerSecond)
	perPod(MetricQueriesInFlight, targets.QueriesInFlight)
	return metrics
}

// autoscalerBehavior is the user's own, or one that scales out at once (twice as
// many every 15 s) and in slowly (half as many a minute, once the load was lower
// for five): a replica taken away takes its warm cache with it.
func autoscalerBehavior(own *autoscalingv2.HorizontalPodAutoscalerBehavior) (*autoscalingv2ac.HorizontalPodAutoscalerBehaviorApplyConfiguration, error) {
	if own != nil {
		b, err := verbatimOne[autoscalingv2ac.HorizontalPodAutoscalerBehaviorApplyConfiguration](*own)
		if err != nil {
			return nil, fmt.Errorf("spec.scaling.behavior: %w", err)
		}
		return b, nil
	}
	policy := func(kind autoscalingv2.HPAScalingPolicyType, value, period int32) *autoscalingv2ac.HPAScalingPolicyApplyConfiguration {
		return autoscalingv2ac.HPAScalingPolicy().WithType(kind).WithValue(value).WithPeriodSeconds(period)
	}
	return autoscalingv2ac.HorizontalPodAutoscalerBehavior().
		WithScaleUp(autoscalingv2ac.HPAScalingRules().
			WithStabilizationWindowSeconds(0).
			WithSelectPolicy(autoscalingv2.MaxChangePolicySelect).
			WithPolicies(policy(autoscalingv2.PercentScalingPolicy, 100, 15), policy(autoscalingv2.PodsScalingPolicy, 4, 15))).
		WithScaleDown(autoscalingv2ac.HPAScalingRules().
			WithStabilizationWindowSeconds(300).
			WithSelectPolicy(autoscalingv2.MaxChangePolicySelect).
			WithPolicies(policy(autoscalingv2.PercentScalingPolicy, 50, 60), policy(autoscalingv2.PodsScalingPolicy, 1, 60))), nil
}
