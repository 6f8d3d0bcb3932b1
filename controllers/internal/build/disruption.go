package build

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// disruptionBudget lets a node drain take one pod at a time. With a single
// replica it would block the drain for ever, so there is none.
func disruptionBudget(s *v1alpha1.RAGService) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	if s.Spec.Scaling.MinReplicas < 2 {
		return nil
	}
	return budget(s, s.Name, ComponentRuntime)
}

func budget(s *v1alpha1.RAGService, name, component string) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(name, s.Namespace).
		WithLabels(labels(s, component)).
		WithOwnerReferences(owner(s)).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s, component))).
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow))
}
