package build

import (
	"fmt"
	"strconv"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole

	"ragops.dev/ragservice/api/v1alpha1"
)

// scaledObject lets KEDA scale the service: KEDA makes a HorizontalPodAutoscaler of
// its own from it, and takes the last replica away where there may be none. Written
// out, since KEDA's types would bring all of KEDA along.
func scaledObject(s *v1alpha1.RAGService) (*Custom, error) {
	k := s.Spec.Scaling.KEDA
	if !UsesKEDA(s) || k == nil {
		return nil, nil
	}
	behavior, err := scaledObjectBehavior(s)
	if err != nil {
		return nil, err
	}
	spec := map[string]any{
		"scaleTargetRef": map[string]any{
			"apiVersion": DeploymentKind.GroupVersion().String(),
			"kind":       DeploymentKind.Kind,
			"name":       s.Name,
		},
		"minReplicaCount": int64(s.Spec.Scaling.MinReplicas),
		"maxReplicaCount": int64(s.Spec.Scaling.MaxReplicas),
		"triggers":        triggers(s),
		"advanced": map[string]any{
			"horizontalPodAutoscalerConfig": map[string]any{"name": KEDAAutoscalerName(s), "behavior": behavior},
		},
	}
	for field, d := range map[string]*metav1.Duration{"pollingInterval": k.PollingInterval, "cooldownPeriod": k.CooldownPeriod} {
		if d != nil {
			spec[field] = int64(d.Seconds())
		}
	}
	return custom(s, ScaledObjectKind, s.Name, nil, spec), nil
}

// triggers are one a signal, in the order of [Signals], since KEDA names the metrics
// of its autoscaler by their number; the cron windows follow.
func triggers(s *v1alpha1.RAGService) []any {
	k := s.Spec.Scaling.KEDA
	var list []any
	for _, signal := range Signals(s) {
		target := strconv.Itoa(int(signal.Target))
		switch {
		case signal.Resource != "":
			list = append(list, map[string]any{
				"type":       string(signal.Resource),
				"metricType": string(autoscalingv2.UtilizationMetricType),
				"metadata":   map[string]any{"value": target},
			})
		case signal.Demand != nil:
			list = append(list, prometheusTrigger(k, signal.Demand.Query, target, false))
		default:
			list = append(list, prometheusTrigger(k, PodQuery(s, signal.Metric), target, s.Spec.Scaling.MinReplicas == 0))
		}
	}
	for _, window := range k.Cron {
		list = append(list, map[string]any{
			"type": "cron",
			"metadata": map[string]any{
				"timezone":        window.Timezone,
				"start":           window.Start,
				"end":             window.End,
				"desiredReplicas": strconv.Itoa(int(window.Replicas)),
			},
		})
	}
	return list
}

// prometheusTrigger asks Prometheus. An answer without a value is an error, upon
// which nothing is scaled: a Prometheus that has lost sight of the pods must not look
// like one that sees them idle. Only where there may be no pod does it count as 0.
func prometheusTrigger(k *v1alpha1.KEDA, query, threshold string, emptyIsZero bool) map[string]any {
	trigger := map[string]any{
		"type":       "prometheus",
		"metricType": string(autoscalingv2.AverageValueMetricType),
		"metadata": map[string]any{
			"serverAddress":    k.ServerAddress,
			"query":            query,
			"threshold":        threshold,
			"ignoreNullValues": strconv.FormatBool(emptyIsZero),
		},
	}
	if k.Authentication != nil {
		trigger["authenticationRef"] = map[string]any{"name": k.Authentication.Name, "kind": k.Authentication.Kind}
	}
	return trigger
}

func scaledObjectBehavior(s *v1alpha1.RAGService) (map[string]any, error) {
	config, err := autoscalerBehavior(s.Spec.Scaling.Behavior)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("spec.scaling.behavior: %w", err)
	}
	var behavior map[string]any
	return behavior, json.Unmarshal(data, &behavior)
}
