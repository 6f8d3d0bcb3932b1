// Package status makes conditions as data and keeps the rules they share: every
// one carries the generation it speaks of, and its time changes only with its
// status. It may not read the cluster.
package status

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// order in which conditions are listed: the summary first.
var order = []string{
	v1alpha1.ConditionReady,
	v1alpha1.ConditionReconciling,
	v1alpha1.ConditionStalled,
	v1alpha1.ConditionRuntimeAvailable,
	v1alpha1.ConditionCacheAvailable,
	v1alpha1.ConditionEmbeddingAvailable,
	v1alpha1.ConditionDependenciesReachable,
	v1alpha1.ConditionScalingActive,
	v1alpha1.ConditionMaxReplicasSupported,
	v1alpha1.ConditionMonitoringConfigured,
	v1alpha1.ConditionExposed,
	v1alpha1.ConditionObjectivesMet,
}

// maxMessage bounds a message; the API allows 32768 characters.
const maxMessage = 2048

// True makes a condition that holds.
func True(kind, reason, message string) *metav1.Condition {
	return &metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False makes a condition that does not hold.
func False(kind, reason, message string) *metav1.Condition {
	return &metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

// Unknown makes a condition of which nobody knows yet whether it holds.
func Unknown(kind, reason, message string) *metav1.Condition {
	return &metav1.Condition{Type: kind, Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Set gathers the conditions of one pass. What is not added goes away.
type Set struct{ added map[string]*metav1.Condition }

// Add a condition; nil adds nothing.
func (s *Set) Add(c *metav1.Condition) {
	if c == nil {
		return
	}
	if s.added == nil {
		s.added = map[string]*metav1.Condition{}
	}
	s.added[c.Type] = c
}

// Conditions are those added, in a stable order. The time of one whose status is
// what the service already shows stays; new ones have none yet, see [Stamp].
func (s *Set) Conditions(service *v1alpha1.RAGService) []metav1.Condition {
	var result []metav1.Condition
	for _, kind := range order {
		c := s.added[kind]
		if c == nil {
			continue
		}
		c.ObservedGeneration = service.Generation
		if len(c.Message) > maxMessage {
			c.Message = c.Message[:maxMessage-3] + "..."
		}
		if old := meta.FindStatusCondition(service.Status.Conditions, kind); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		result = append(result, *c)
	}
	return result
}

// Stamp gives the conditions whose status changed the time of the change.
func Stamp(conditions []metav1.Condition, now metav1.Time) {
	for i := range conditions {
		if conditions[i].LastTransitionTime.IsZero() {
			conditions[i].LastTransitionTime = now
		}
	}
}
