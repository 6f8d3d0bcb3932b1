package ecs

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertNetworkMode maps how the containers of a task see the network.
func (w *workload) convertNetworkMode(pod *corev1.PodSpec) {
	mode := w.node.Get("networkMode")
	switch strings.ToLower(mode.Text()) {
	case "awsvpc":
		w.mapped(mode, "pod network")
	case "host":
		pod.HostNetwork = true
		pod.DNSPolicy = corev1.DNSClusterFirstWithHostNet
		w.approximated(mode, w.podField("hostNetwork"), "Two pods that use the same ports can't share a node. Prefer the pod network, unless the node's address is what matters.")
	case "bridge", "default":
		w.approximated(mode, "pod network", "The containers of a pod share one address, where bridge gave each its own.")
	case "none":
		w.person(mode, ledger.StepNetwork, "Pods always have a network: a NetworkPolicy that allows nothing takes its place.")
	default:
		w.person(mode, ledger.StepNetwork, "A network mode that ECS does not have: wanted awsvpc, bridge, host or none.")
	}
}

// convertSecurityGroups maps the service's security groups. What they allow is not
// among the inputs, so a policy can only repeat which ports are open.
func (w *workload) convertSecurityGroups() {
	vpc := w.serviceNode("networkConfiguration", "awsvpcConfiguration")
	groups := vpc.Get("securityGroups")
	if strings.EqualFold(vpc.Get("assignPublicIp").Text(), "DISABLED") {
		w.ignore(vpc.Get("assignPublicIp"), "Pods have none either.")
	}
	if len(groups.Items()) == 0 {
		return
	}
	if w.options.SecurityGroupPolicy {
		w.add(w.custom("vpcresources.k8s.aws/v1beta1", "SecurityGroupPolicy", w.name, map[string]any{
			"podSelector":    map[string]any{"matchLabels": stringMap(w.podSelector())},
			"securityGroups": map[string]any{"groupIds": textValues(groups)},
		}))
		w.mapped(groups, "SecurityGroupPolicy/"+w.name+" spec.securityGroups")
		return
	}
	if w.replaced {
		w.approximated(groups, "NetworkPolicy/"+w.name+" (the operator's)", "Queries from anywhere, administration from the operator and monitoring; narrow it to what the groups allowed.")
		return
	}
	w.add(w.ingressPolicy())
	w.approximated(groups, "NetworkPolicy/"+w.name, "The container's ports from anywhere; narrow it to what the groups allowed. Egress is not limited.")
}

func (w *workload) ingressPolicy() *networkingv1.NetworkPolicy {
	rule := networkingv1.NetworkPolicyIngressRule{}
	for _, ctr := range w.containers {
		for _, p := range portsOf(ctr) {
			rule.Ports = append(rule.Ports, networkingv1.NetworkPolicyPort{Port: new(intstr.FromInt32(p.number)), Protocol: new(p.protocol)})
		}
	}
	policy := &networkingv1.NetworkPolicy{
		ObjectMeta: w.meta(w.name),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: w.selector()},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		},
	}
	if len(rule.Ports) > 0 {
		policy.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{rule}
	}
	return policy
}

func textValues(list *jsontree.Node) []any {
	var values []any
	for _, item := range list.Items() {
		values = append(values, item.Text())
	}
	return values
}

func stringMap(m map[string]string) map[string]any {
	result := map[string]any{}
	for key, value := range m {
		result[key] = value
	}
	return result
}
