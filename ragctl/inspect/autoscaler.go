package inspect

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Autoscaler is what the HorizontalPodAutoscaler of a service sees and why it does or
// does not scale, in its own words.
type Autoscaler struct {
	Name string `json:"name"`
	// Source is spec.scaling.metricsSource.
	Source v1alpha1.MetricsSource `json:"source"`
	// Replicas there are, and Desired ones, between Min and Max.
	Replicas int32 `json:"replicas"`
	Desired  int32 `json:"desired"`
	Min      int32 `json:"min"`
	Max      int32 `json:"max"`
	// Metrics that it scales on.
	Metrics []Metric `json:"metrics"`
	// Says is what keeps it from scaling, or from scaling further.
	Says []string `json:"says,omitempty"`
	// Trouble is whether that wants a look: being at the end of the range does not.
	Trouble bool `json:"trouble,omitempty"`
}

// Metric is a figure against its target.
type Metric struct {
	Name string `json:"name"`
	// Current value for one replica; "unknown" where the autoscaler has none.
	Current string `json:"current"`
	Target  string `json:"target"`
}

// autoscalerOf is the service's own autoscaler, or the one that KEDA made for its
// ScaledObject; nil where there is none.
func autoscalerOf(owned map[types.UID][]found, service *v1alpha1.RAGService) (*Autoscaler, error) {
	owners := []types.UID{service.UID}
	for _, f := range owned[service.UID] {
		if f.kind == "ScaledObject" {
			owners = append(owners, f.object.GetUID())
		}
	}
	for _, owner := range owners {
		for _, f := range owned[owner] {
			if owner == service.UID && f.object.GetName() != service.Name {
				continue // that of the embedding server
			}
			if u, ok := f.object.(*unstructured.Unstructured); ok && f.kind == "HorizontalPodAutoscaler" {
				autoscaler, err := readAutoscaler(u)
				if err != nil {
					return nil, err
				}
				autoscaler.Source = service.Spec.Scaling.MetricsSource
				return autoscaler, nil
			}
		}
	}
	return nil, nil
}

func readAutoscaler(u *unstructured.Unstructured) (*Autoscaler, error) {
	var hpa autoscalingv2.HorizontalPodAutoscaler
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &hpa); err != nil {
		return nil, fmt.Errorf("read HorizontalPodAutoscaler %s: %w", u.GetName(), err)
	}
	a := &Autoscaler{
		Name: hpa.Name, Replicas: hpa.Status.CurrentReplicas, Desired: hpa.Status.DesiredReplicas,
		Min: minReplicas(&hpa), Max: hpa.Spec.MaxReplicas,
	}
	current := map[string]string{}
	for _, metric := range hpa.Status.CurrentMetrics {
		name, value := currentOf(metric)
		current[name] = value
	}
	for _, metric := range hpa.Spec.Metrics {
		name, target := targetOf(metric)
		now, known := current[name]
		if !known {
			now = "unknown"
		}
		a.Metrics = append(a.Metrics, Metric{Name: name, Current: now, Target: target})
	}
	for _, condition := range hpa.Status.Conditions {
		wanted := corev1.ConditionTrue
		if condition.Type == autoscalingv2.ScalingLimited || condition.Type == autoscalingv2.ScaledToZero {
			wanted = corev1.ConditionFalse
		}
		if condition.Status == wanted {
			continue
		}
		a.Says = append(a.Says, string(condition.Type)+"="+string(condition.Status)+": "+firstLine(condition.Message))
		// One that is disabled has no replica to measure, as it may.
		a.Trouble = a.Trouble || wanted == corev1.ConditionTrue && condition.Reason != "ScalingDisabled"
	}
	return a, nil
}

func autoscalerState(u *unstructured.Unstructured) (string, bool) {
	a, err := readAutoscaler(u)
	if err != nil {
		return err.Error(), true
	}
	return a.span(), a.Trouble
}

func (a *Autoscaler) span() string {
	text := fmt.Sprintf("%d of %d to %d replicas", a.Replicas, a.Min, a.Max)
	if a.Desired != a.Replicas {
		text += fmt.Sprintf(", wants %d", a.Desired)
	}
	return text
}

// scaledObjectState is what KEDA says of its conditions.
func scaledObjectState(u *unstructured.Unstructured) (string, bool) {
	var object struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &object); err != nil {
		return "unreadable: " + err.Error(), true
	}
	i := slices.IndexFunc(object.Status.Conditions, func(c metav1.Condition) bool { return c.Type == "Ready" })
	switch {
	case i < 0:
		return "KEDA has not looked yet", true
	case object.Status.Conditions[i].Status == metav1.ConditionTrue:
		return "Ready", false
	default:
		return "not ready: " + firstLine(object.Status.Conditions[i].Message), true
	}
}

func minReplicas(hpa *autoscalingv2.HorizontalPodAutoscaler) int32 {
	if hpa.Spec.MinReplicas == nil {
		return 1 // the API's own default
	}
	return *hpa.Spec.MinReplicas
}

func targetOf(metric autoscalingv2.MetricSpec) (name, target string) {
	switch {
	case metric.Resource != nil && metric.Resource.Target.AverageUtilization != nil:
		return string(metric.Resource.Name), fmt.Sprintf("%d%%", *metric.Resource.Target.AverageUtilization)
	case metric.Pods != nil && metric.Pods.Target.AverageValue != nil:
		return metric.Pods.Metric.Name, metric.Pods.Target.AverageValue.String()
	case metric.External != nil && metric.External.Target.AverageValue != nil:
		return metric.External.Metric.Name, metric.External.Target.AverageValue.String()
	}
	return strings.ToLower(string(metric.Type)), "?"
}

func currentOf(metric autoscalingv2.MetricStatus) (name, value string) {
	switch {
	case metric.Resource != nil && metric.Resource.Current.AverageUtilization != nil:
		return string(metric.Resource.Name), fmt.Sprintf("%d%%", *metric.Resource.Current.AverageUtilization)
	case metric.Pods != nil && metric.Pods.Current.AverageValue != nil:
		return metric.Pods.Metric.Name, metric.Pods.Current.AverageValue.String()
	case metric.External != nil && metric.External.Current.AverageValue != nil:
		return metric.External.Metric.Name, metric.External.Current.AverageValue.String()
	}
	return strings.ToLower(string(metric.Type)), "?"
}
