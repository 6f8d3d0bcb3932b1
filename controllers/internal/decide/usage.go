package decide

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// usage judges CPU and memory by what the autoscaler measured, where there is one:
// the operator itself reads no metrics of pods.
func (j *judge) usage(s Snapshot) {
	o := s.Service.Spec.Objectives
	for _, objective := range []struct {
		name   string
		target int32
		of     corev1.ResourceName
	}{
		{"cpuPercent", o.CPUPercent, corev1.ResourceCPU},
		{"memoryPercent", o.MemoryPercent, corev1.ResourceMemory},
	} {
		if objective.target == 0 {
			continue
		}
		status := v1alpha1.ObjectiveStatus{Name: objective.name, Target: strconv.Itoa(int(objective.target))}
		if percent, ok := used(s, objective.of); ok {
			status.Observed = strconv.FormatInt(percent, 10)
			status.Met = new(percent <= int64(objective.target))
		}
		j.result = append(j.result, status)
	}
}

// used is the mean use of a resource as a percentage of its limit, or of its request
// where it has no limit, in steps of five.
func used(s Snapshot, name corev1.ResourceName) (int64, bool) {
	resources := s.Service.Spec.Workload.Resources
	whole, ok := resources.Limits[name]
	if !ok {
		whole, ok = resources.Requests[name]
	}
	if !ok || whole.IsZero() || s.Autoscaler == nil {
		return 0, false
	}
	for _, m := range s.Autoscaler.Status.CurrentMetrics {
		if m.Resource != nil && m.Resource.Name == name && m.Resource.Current.AverageValue != nil {
			percent := 100 * m.Resource.Current.AverageValue.AsApproximateFloat64() / whole.AsApproximateFloat64()
			return int64(percent+2.5) / 5 * 5, true
		}
	}
	return 0, false
}
