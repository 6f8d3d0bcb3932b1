package decide

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/status"
)

// scalingActive is what the autoscaler sees and why it does or does not scale; nil
// where there is none. The autoscaler calls itself active with one of its figures,
// this condition with all of them: a service that scales on CPU alone, because
// nobody tells of its queries, does not scale as it should.
func scalingActive(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionScalingActive
	switch {
	case !build.Autoscaled(s.Service):
		return nil
	case build.UsesKEDA(s.Service) && !s.Served[build.ScaledObjectKind]:
		return status.False(kind, v1alpha1.ReasonCRDNotInstalled, withoutKEDA(s))
	case s.Autoscaler == nil && build.UsesKEDA(s.Service):
		return status.Unknown(kind, v1alpha1.ReasonProgressing, fmt.Sprintf(
			"KEDA has not made its HorizontalPodAutoscaler yet: kubectl describe scaledobject %s -n %s tells why", s.Service.Name, s.Service.Namespace))
	case s.Autoscaler == nil:
		return nil
	}
	if able := autoscalerCondition(s, autoscalingv2.AbleToScale); able != nil && able.Status == corev1.ConditionFalse {
		return status.False(kind, able.Reason, able.Message)
	}
	active := autoscalerCondition(s, autoscalingv2.ScalingActive)
	switch {
	case active == nil:
		return status.Unknown(kind, v1alpha1.ReasonProgressing, "the HorizontalPodAutoscaler has not looked yet")
	case scaledToZero(s):
		return status.True(kind, v1alpha1.ReasonScaledToZero, "there is no replica to measure")
	case active.Status != corev1.ConditionTrue:
		return status.False(kind, active.Reason, join("; ", active.Message, advice(s, missing(s))))
	default:
		return scales(s)
	}
}

// scales is the condition of an autoscaler that is active.
func scales(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionScalingActive
	sees := "scales on " + strings.Join(figures(s), ", ")
	without := missing(s)
	limited := autoscalerCondition(s, autoscalingv2.ScalingLimited)
	switch {
	case len(without) > 0:
		reason := v1alpha1.ReasonMetricsMissing
		if s.MetricsAPI != nil && s.MetricsAPI.Rival != "" && source(s) == v1alpha1.MetricsSourceOperator {
			reason = v1alpha1.ReasonMetricsAPIOwnedByAnother
		}
		return status.False(kind, reason, join("; ", "nobody tells "+strings.Join(namesOf(without), " and ")+", so the service "+sees+" alone", advice(s, without)))
	case toleranceDropped(s):
		return status.True(kind, v1alpha1.ReasonToleranceNotServed, sees+"; this cluster knows no tolerance of its own for a service, so that of the cluster holds")
	case limited != nil && limited.Status == corev1.ConditionTrue && limited.Reason == "TooManyReplicas":
		return status.True(kind, v1alpha1.ReasonLimitedByMaxReplicas, fmt.Sprintf("%s; it asks for more than maxReplicas (%d)", sees, s.Service.Spec.Scaling.MaxReplicas))
	default:
		return status.True(kind, v1alpha1.ReasonSucceeded, sees)
	}
}

func withoutKEDA(s Snapshot) string {
	message := "the cluster does not know ScaledObject (keda.sh/v1alpha1): made once KEDA is installed; until then "
	if object, exists := s.Objects[Key{build.AutoscalerKind, s.Service.Name}]; exists && object.Ownership == Own {
		return message + "the former HorizontalPodAutoscaler scales on"
	}
	return message + "the number of replicas stays as it is"
}

func source(s Snapshot) v1alpha1.MetricsSource {
	if s.Service.Spec.Scaling.MetricsSource == "" {
		return v1alpha1.MetricsSourceOperator
	}
	return s.Service.Spec.Scaling.MetricsSource
}

func autoscalerCondition(s Snapshot, kind autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	conditions := s.Autoscaler.Status.Conditions
	i := slices.IndexFunc(conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &conditions[i]
}

// advice says what would bring figures that are missing, as far as they are of
// queries: of CPU and memory the autoscaler's own message says enough.
func advice(s Snapshot, without []build.Signal) string {
	if !slices.ContainsFunc(without, func(signal build.Signal) bool { return signal.Resource == "" }) {
		return ""
	}
	switch source(s) {
	case v1alpha1.MetricsSourceKEDA:
		return fmt.Sprintf("KEDA asks %s: kubectl describe scaledobject %s -n %s tells more", s.Service.Spec.Scaling.KEDA.ServerAddress, s.Service.Name, s.Service.Namespace)
	case v1alpha1.MetricsSourcePrometheus:
		if s.MetricsAPI != nil && s.MetricsAPI.Rival == "" {
			return "this operator has the custom metrics API of the cluster: install prometheus-adapter in its place, or set metricsSource Operator"
		}
		return "prometheus-adapter needs the rules of config/prometheus-adapter, and a Prometheus that scrapes the pods"
	default:
		switch {
		case s.MetricsAPI == nil:
			return "this operator does not serve the custom metrics API: install config/default-with-metrics-api, or choose another metricsSource"
		case s.MetricsAPI.Rival != "":
			return "the custom metrics API belongs to the service " + s.MetricsAPI.Rival + ": set metricsSource Prometheus if that is prometheus-adapter, or remove its registration"
		default:
			return "the pods answer this operator on their admin port: see whether a NetworkPolicy is in the way"
		}
	}
}

// missing are the signals that the autoscaler knows no value of.
func missing(s Snapshot) []build.Signal {
	var without []build.Signal
	for i, signal := range build.Signals(s.Service) {
		if _, known := current(s, i, signal); !known {
			without = append(without, signal)
		}
	}
	return without
}

// figures are the signals as the autoscaler sees them, current against target, such
// as "cpuPercent 30/80". They are rounded, so that a service whose load stays about
// the same keeps its status.
func figures(s Snapshot) []string {
	var list []string
	for i, signal := range build.Signals(s.Service) {
		if value, known := current(s, i, signal); known {
			list = append(list, fmt.Sprintf("%s %s/%d", signal.Name, value, signal.Target))
		}
	}
	return list
}

// current is the value of a signal. KEDA calls its metrics s0-…, s1-…, by the number
// of the trigger.
func current(s Snapshot, i int, signal build.Signal) (string, bool) {
	for _, m := range s.Autoscaler.Status.CurrentMetrics {
		switch {
		case m.Resource != nil && signal.Resource == m.Resource.Name && m.Resource.Current.AverageUtilization != nil:
			return strconv.Itoa(int(*m.Resource.Current.AverageUtilization+2) / 5 * 5), true
		case m.Pods != nil && signal.Metric == m.Pods.Metric.Name:
			return roughly(m.Pods.Current), true
		case m.External != nil && isExternal(s, i, signal, m.External.Metric.Name):
			return roughly(m.External.Current), true
		}
	}
	return "", false
}

func isExternal(s Snapshot, i int, signal build.Signal, name string) bool {
	if build.UsesKEDA(s.Service) {
		return signal.Resource == "" && strings.HasPrefix(name, fmt.Sprintf("s%d-", i))
	}
	return signal.Demand != nil && signal.Demand.Metric == name
}

// roughly is a value of one replica to two digits.
func roughly(v autoscalingv2.MetricValueStatus) string {
	quantity := v.AverageValue
	if quantity == nil {
		quantity = v.Value
	}
	if quantity == nil {
		return "?"
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(quantity.AsApproximateFloat64(), 'g', 2, 64), 64)
	if err != nil {
		return "?"
	}
	return number(rounded)
}

// toleranceDropped is whether the API server took a tolerance off the autoscaler, as
// one does that does not serve it.
func toleranceDropped(s Snapshot) bool {
	asked, got := s.Service.Spec.Scaling.Behavior, s.Autoscaler.Spec.Behavior
	if asked == nil || got == nil {
		return false
	}
	dropped := func(asked, got *autoscalingv2.HPAScalingRules) bool {
		return asked != nil && asked.Tolerance != nil && (got == nil || got.Tolerance == nil)
	}
	return dropped(asked.ScaleUp, got.ScaleUp) || dropped(asked.ScaleDown, got.ScaleDown)
}

func namesOf(signals []build.Signal) []string {
	var list []string
	for _, signal := range signals {
		list = append(list, signal.Name)
	}
	return list
}

// join joins the parts that are not empty.
func join(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), separator)
}
