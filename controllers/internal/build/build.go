// Package build turns the spec of a RAGService into the apply configurations of
// its children, one file a child. Builders are pure: they read nothing but their
// input and never take a client. A builder returns nil where its child is not
// wanted; the caller deletes the child then.
package build

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ragops.dev/ragservice/api/v1alpha1"
)

// The kinds of children.
var (
	ServiceAccountKind = corev1.SchemeGroupVersion.WithKind("ServiceAccount")
	ConfigMapKind      = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	SecretKind         = corev1.SchemeGroupVersion.WithKind("Secret")
	ServiceKind        = corev1.SchemeGroupVersion.WithKind("Service")
	DeploymentKind     = appsv1.SchemeGroupVersion.WithKind("Deployment")
	StatefulSetKind    = appsv1.SchemeGroupVersion.WithKind("StatefulSet")
	AutoscalerKind     = autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler")
	DisruptionKind     = policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")
	NetworkPolicyKind  = networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy")
	ServiceMonitorKind = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}
	IngressKind        = networkingv1.SchemeGroupVersion.WithKind("Ingress")
	HTTPRouteKind      = schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}
	ScaledObjectKind   = schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}
	PrometheusRuleKind = schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"}
)

// OptionalKinds are those whose CRD a cluster may lack.
var OptionalKinds = []schema.GroupVersionKind{ServiceMonitorKind, PrometheusRuleKind, HTTPRouteKind, ScaledObjectKind}

// Input is everything that the children depend on.
type Input struct {
	// Service with the defaults of its schema filled in.
	Service *v1alpha1.RAGService
	// Content is the service's [Configuration].
	Content Content
	// Image of the query runtime; see decide.Image.
	Image string
	// EmbeddingImage is that of the managed embedding; see decide.EmbeddingImage.
	EmbeddingImage string
	// RecordImage is whether the image is the operator's own choice, to be kept
	// across upgrades of the operator.
	RecordImage bool
	// Documents identifies the content of the ConfigMaps that fill a memory
	// store; a change of it rolls the pods.
	Documents string
	// RedisPassword identifies the password of the managed Redis; a change of it
	// restarts the Redis. It is not the password.
	RedisPassword string
	// ReplicasHeld is whether a former autoscaler still holds the number of replicas
	// of a service that is to have a fixed one.
	ReplicasHeld bool
	// Operator is where the operator runs.
	Operator Operator
}

// Operator is what children need to know about the operator's installation.
type Operator struct {
	// Namespace the operator runs in; its pods may reach the admin port.
	Namespace string
	// MonitoringNamespaces may reach the admin port too.
	MonitoringNamespaces []string
}

// Child is one object that belongs to a RAGService.
type Child struct {
	Kind schema.GroupVersionKind
	Name string
	// Config is the object as it should be; nil means it should not exist.
	Config runtime.ApplyConfiguration
}

// String names the child as kubectl does.
func (c Child) String() string { return c.Kind.Kind + "/" + c.Name }

// Children builds all children in the order they are applied in: what pods need
// comes before the pods. Those not wanted have no configuration. The Secret of the
// managed Redis is not among them; see [RedisSecret].
func Children(in Input) ([]Child, error) {
	deployment, err := runtimeDeployment(in)
	if err != nil {
		return nil, err
	}
	autoscaler, err := autoscaler(in.Service)
	if err != nil {
		return nil, err
	}
	scaledObject, err := scaledObject(in.Service)
	if err != nil {
		return nil, err
	}
	embedding, err := embeddingDeployment(in)
	if err != nil {
		return nil, err
	}
	embeddingScaler, err := embeddingAutoscaler(in.Service)
	if err != nil {
		return nil, err
	}
	dashboard, err := dashboard(in.Service)
	if err != nil {
		return nil, err
	}
	ingress, err := ingress(in.Service)
	if err != nil {
		return nil, err
	}
	name, redis, server := in.Service.Name, RedisName(in.Service), EmbeddingName(in.Service)
	return []Child{
		child(ServiceAccountKind, name, serviceAccount(in.Service)),
		child(ConfigMapKind, in.Content.Name, configMap(in.Service, in.Content)),
		child(NetworkPolicyKind, redis, redisNetworkPolicy(in.Service)),
		child(ServiceKind, redis, redisService(in.Service)),
		child(StatefulSetKind, redis, redisStatefulSet(in)),
		child(NetworkPolicyKind, server, embeddingNetworkPolicy(in.Service)),
		child(ServiceKind, server, embeddingService(in.Service)),
		child(DisruptionKind, server, embeddingDisruptionBudget(in.Service)),
		child(DeploymentKind, server, embedding),
		child(AutoscalerKind, server, embeddingScaler),
		child(NetworkPolicyKind, name, networkPolicy(in)),
		child(ServiceKind, name, runtimeService(in.Service)),
		child(DisruptionKind, name, disruptionBudget(in.Service)),
		child(DeploymentKind, name, deployment),
		child(AutoscalerKind, name, autoscaler),
		child(ScaledObjectKind, name, scaledObject),
		child(IngressKind, name, ingress),
		child(HTTPRouteKind, name, httpRoute(in.Service)),
		child(ServiceMonitorKind, name, serviceMonitor(in.Service)),
		child(PrometheusRuleKind, name, prometheusRule(in.Service)),
		child(ConfigMapKind, DashboardName(in.Service), dashboard),
	}, nil
}

// child drops the type of a configuration, and with it the difference between a
// nil pointer and no configuration.
func child[T any, P interface {
	*T
	runtime.ApplyConfiguration
}](kind schema.GroupVersionKind, name string, config P) Child {
	c := Child{Kind: kind, Name: name}
	if config != nil {
		c.Config = config
	}
	return c
}

// ManagedRedis is the Redis that the operator runs; nil where it runs none.
func ManagedRedis(s *v1alpha1.RAGService) *v1alpha1.ManagedRedis {
	if s.Spec.Cache == nil || s.Spec.Cache.Redis == nil {
		return nil
	}
	return s.Spec.Cache.Redis.Managed
}

// Endpoint is the URL that answers queries inside the cluster.
func Endpoint(s *v1alpha1.RAGService) string {
	return fmt.Sprintf("http://%s.%s.svc:%d", s.Name, s.Namespace, QueryPort)
}
