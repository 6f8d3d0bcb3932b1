package build

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// serviceAccount is the pods' identity, such as an IAM role; nil where the user
// brings one. Its token is not mounted: the runtime does not talk to Kubernetes.
func serviceAccount(s *v1alpha1.RAGService) *corev1ac.ServiceAccountApplyConfiguration {
	account := s.Spec.Workload.ServiceAccount
	if account.Name != "" {
		return nil
	}
	return corev1ac.ServiceAccount(s.Name, s.Namespace).
		WithLabels(labels(s, ComponentRuntime)).
		WithAnnotations(account.Annotations).
		WithOwnerReferences(owner(s)).
		WithAutomountServiceAccountToken(false)
}
