package build

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"

	"ragops.dev/ragservice/api/v1alpha1"
)

// autoscaler scales on the pods' CPU and memory, on their queries and on demand, as
// far as each is asked for. Who answers for the queries is a matter of the cluster:
// the names are the same.
func autoscaler(s *v1alpha1.RAGService) (*autoscalingv2ac.HorizontalPodAutoscalerApplyConfiguration, error) {
	if !Autoscaled(s) || UsesKEDA(s) {
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
			WithMetrics(autoscalerMetrics(s)...).
			WithBehavior(behavior)), nil
}

func autoscalerMetrics(s *v1alpha1.RAGService) []*autoscalingv2ac.MetricSpecApplyConfiguration {
	var metrics []*autoscalingv2ac.MetricSpecApplyConfiguration
	for _, signal := range Signals(s) {
		metric := autoscalingv2ac.MetricSpec()
		average := func() *autoscalingv2ac.MetricTargetApplyConfiguration {
			return autoscalingv2ac.MetricTarget().
				WithType(autoscalingv2.AverageValueMetricType).
				WithAverageValue(*resource.NewQuantity(int64(signal.Target), resource.DecimalSI))
		}
		switch {
		case signal.Resource != "":
			metric.WithType(autoscalingv2.ResourceMetricSourceType).
				WithResource(autoscalingv2ac.ResourceMetricSource().
					WithName(signal.Resource).
					WithTarget(autoscalingv2ac.MetricTarget().
						WithType(autoscalingv2.UtilizationMetricType).
						WithAverageUtilization(signal.Target)))
		case signal.Demand != nil:
			metric.WithType(autoscalingv2.ExternalMetricSourceType).
				WithExternal(autoscalingv2ac.ExternalMetricSource().
					WithMetric(autoscalingv2ac.MetricIdentifier().WithName(signal.Demand.Metric)).
					WithTarget(average()))
		default:
			metric.WithType(autoscalingv2.PodsMetricSourceType).
				WithPods(autoscalingv2ac.PodsMetricSource().
					WithMetric(autoscalingv2ac.MetricIdentifier().WithName(signal.Metric)).
					WithTarget(average()))
		}
		metrics = append(metrics, metric)
	}
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
