package build

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// networkPolicy lets everybody query, and only the operator and the monitoring
// system see the admin port. Nothing is said of what the pods may reach: models
// and stores are anywhere.
func networkPolicy(in Input) *networkingv1ac.NetworkPolicyApplyConfiguration {
	s := in.Service
	if !networkPolicyWanted(s) {
		return nil
	}
	rules := []*networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration{
		networkingv1ac.NetworkPolicyIngressRule().WithPorts(networkPort(queryPortName)),
	}
	admin := networkingv1ac.NetworkPolicyIngressRule().WithPorts(networkPort(AdminPortName))
	for _, namespace := range append([]string{in.Operator.Namespace}, in.Operator.MonitoringNamespaces...) {
		if namespace != "" {
			admin.WithFrom(fromNamespace(namespace))
		}
	}
	if len(admin.From) > 0 {
		rules = append(rules, admin)
	}
	return ingressPolicy(s, s.Name, ComponentRuntime, rules...)
}

func networkPolicyWanted(s *v1alpha1.RAGService) bool {
	return s.Spec.Workload.NetworkPolicy != v1alpha1.NetworkPolicyNone
}

func ingressPolicy(s *v1alpha1.RAGService, name, component string, rules ...*networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration) *networkingv1ac.NetworkPolicyApplyConfiguration {
	return networkingv1ac.NetworkPolicy(name, s.Namespace).
		WithLabels(labels(s, component)).
		WithOwnerReferences(owner(s)).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s, component))).
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(rules...))
}

// fromRuntime lets the pods of the query runtime reach a port.
func fromRuntime(s *v1alpha1.RAGService, port string) *networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration {
	return networkingv1ac.NetworkPolicyIngressRule().
		WithPorts(networkPort(port)).
		WithFrom(networkingv1ac.NetworkPolicyPeer().WithPodSelector(
			metav1ac.LabelSelector().WithMatchLabels(Selector(s, ComponentRuntime))))
}

func networkPort(name string) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromString(name))
}

func fromNamespace(name string) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(
		metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: name}))
}
