package build

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Name is a name that a child has or would have.
type Name struct {
	Kind schema.GroupVersionKind
	Name string
	// Wanted is whether the spec asks for the child.
	Wanted bool
}

// Names are those of all children, of the Secret of the managed Redis, of the
// autoscaler that KEDA makes, and of those that the spec does not ask for and a
// former one may have. Configuration
// is the name of the current ConfigMap; empty where there is none.
func Names(s *v1alpha1.RAGService, configuration string) []Name {
	name, redis := s.Name, RedisName(s)
	managed, policy := ManagedRedis(s) != nil, networkPolicyWanted(s)
	server, embedding := ManagedEmbedding(s), EmbeddingName(s)
	return []Name{
		{ServiceAccountKind, name, s.Spec.Workload.ServiceAccount.Name == ""},
		{ConfigMapKind, configuration, configuration != ""},
		{SecretKind, redis, managed},
		{NetworkPolicyKind, redis, managed && policy},
		{ServiceKind, redis, managed},
		{StatefulSetKind, redis, managed},
		{NetworkPolicyKind, embedding, server != nil && policy},
		{ServiceKind, embedding, server != nil},
		{DisruptionKind, embedding, server != nil && *server.MinReplicas >= 2},
		{DeploymentKind, embedding, server != nil},
		{AutoscalerKind, embedding, EmbeddingAutoscaled(s)},
		{NetworkPolicyKind, name, policy},
		{ServiceKind, name, true},
		{DisruptionKind, name, s.Spec.Scaling.MinReplicas >= 2},
		{DeploymentKind, name, true},
		{AutoscalerKind, name, Autoscaled(s) && !UsesKEDA(s)},
		{AutoscalerKind, KEDAAutoscalerName(s), false},
		{ScaledObjectKind, name, UsesKEDA(s)},
		{IngressKind, name, s.Spec.Exposure != nil && s.Spec.Exposure.Ingress != nil},
		{HTTPRouteKind, name, s.Spec.Exposure != nil && s.Spec.Exposure.Gateway != nil},
		{ServiceMonitorKind, name, s.Spec.Monitoring.ServiceMonitor != nil},
		{PrometheusRuleKind, name, s.Spec.Monitoring.Alerts != nil},
		{ConfigMapKind, DashboardName(s), s.Spec.Monitoring.Dashboard != nil},
	}
}

// Claimants are the services that may have wanted an object of this name and could
// not have it, because it was another one's: that of the name itself, and those whose
// name is what comes before one of its dashes.
func Claimants(name string) []string {
	claimants := []string{name}
	for i := range len(name) {
		if name[i] == '-' {
			claimants = append(claimants, name[:i])
		}
	}
	return claimants
}
