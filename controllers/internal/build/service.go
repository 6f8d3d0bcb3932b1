package build

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// runtimeService is where queries go. The admin port is for scraping; a
// NetworkPolicy says who may.
func runtimeService(s *v1alpha1.RAGService) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(s.Name, s.Namespace).
		WithLabels(labels(s, ComponentRuntime)).
		WithOwnerReferences(owner(s)).
		WithSpec(corev1ac.ServiceSpec().
			WithSelector(Selector(s, ComponentRuntime)).
			WithPorts(
				servicePort(queryPortName, QueryPort).WithAppProtocol("http"),
				servicePort(AdminPortName, AdminPort).WithAppProtocol("http"),
			))
}

func servicePort(name string, port int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().
		WithName(name).
		WithPort(port).
		WithTargetPort(intstr.FromString(name)).
		WithProtocol(corev1.ProtocolTCP)
}
