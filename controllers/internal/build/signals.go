package build

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// The targets where the spec names none: those of the migration guide.
const (
	defaultCPUPercent    = 80
	defaultMemoryPercent = 85
)

// Metrics of a pod, under the same name at its /metrics and in the custom metrics
// API, whoever serves that.
const (
	// MetricQueriesPerSecond is the rate of the last minute.
	MetricQueriesPerSecond = "rag_queries_per_second"
	// MetricQueriesInFlight is the number at this moment, queued ones included.
	MetricQueriesInFlight = "rag_queries_in_flight"
)

// Signal is a figure that a service scales on.
type Signal struct {
	// Name as in spec.scaling, such as cpuPercent or demand.
	Name string
	// Resource of the pods that is used; empty for any other figure.
	Resource corev1.ResourceName
	// Metric of each pod; empty for any other figure.
	Metric string
	// Demand is counted in front of the service; nil for any other figure.
	Demand *v1alpha1.Demand
	// Target for one replica: percent of a request, or a number of queries.
	Target int32
}

// Signals are what a service scales on, in the order that its autoscaler lists them.
func Signals(s *v1alpha1.RAGService) []Signal {
	targets := s.Spec.Scaling.Targets
	if targets == nil {
		targets = &v1alpha1.ScalingTargets{CPUPercent: new(int32(defaultCPUPercent)), MemoryPercent: new(int32(defaultMemoryPercent))}
	}
	var signals []Signal
	add := func(signal Signal, target *int32) {
		if target != nil {
			signal.Target = *target
			signals = append(signals, signal)
		}
	}
	add(Signal{Name: "cpuPercent", Resource: corev1.ResourceCPU}, targets.CPUPercent)
	add(Signal{Name: "memoryPercent", Resource: corev1.ResourceMemory}, targets.MemoryPercent)
	add(Signal{Name: "queriesPerSecond", Metric: MetricQueriesPerSecond}, targets.QueriesPerSecond)
	add(Signal{Name: "queriesInFlight", Metric: MetricQueriesInFlight}, targets.QueriesInFlight)
	if demand := s.Spec.Scaling.Demand; demand != nil {
		add(Signal{Name: "demand", Demand: demand}, targets.QueriesPerSecond)
	}
	return signals
}

// Autoscaled is whether an autoscaler holds the number of replicas.
func Autoscaled(s *v1alpha1.RAGService) bool {
	return s.Spec.Scaling.MaxReplicas > s.Spec.Scaling.MinReplicas
}

// UsesKEDA is whether KEDA makes the autoscaler.
func UsesKEDA(s *v1alpha1.RAGService) bool {
	return Autoscaled(s) && s.Spec.Scaling.MetricsSource == v1alpha1.MetricsSourceKEDA
}

// AutoscalerName is the name of the HorizontalPodAutoscaler that scales the service,
// whether the operator makes it or KEDA does.
func AutoscalerName(s *v1alpha1.RAGService) string {
	if UsesKEDA(s) {
		return KEDAAutoscalerName(s)
	}
	return s.Name
}

// KEDAAutoscalerName is the name of the HorizontalPodAutoscaler that KEDA makes for a
// ScaledObject: KEDA's own choice, and fixed.
func KEDAAutoscalerName(s *v1alpha1.RAGService) string { return "keda-hpa-" + s.Name }

// PodQuery is the sum of a metric over the pods of a service, in PromQL. The labels
// are those that the ServiceMonitor of the service gives its series.
func PodQuery(s *v1alpha1.RAGService, metric string) string {
	return fmt.Sprintf(`sum(%s{namespace="%s", service="%s"})`, metric, s.Namespace, s.Name)
}
