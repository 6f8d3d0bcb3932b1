package build

import (
	"encoding/json"
	"fmt"
	"maps"

	networkingv1 "k8s.io/api/networking/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Annotations of the AWS Load Balancer Controller.
const (
	albPrefix        = "alb.ingress.kubernetes.io/"
	forwardAction    = "ragservice-forward"
	actionAnnotation = albPrefix + "actions." + forwardAction
)

// ingress leads queries from outside to the service; nil where it is not exposed, or
// by a Gateway.
func ingress(s *v1alpha1.RAGService) (*networkingv1ac.IngressApplyConfiguration, error) {
	if s.Spec.Exposure == nil || s.Spec.Exposure.Ingress == nil {
		return nil, nil
	}
	i := s.Spec.Exposure.Ingress
	annotations := maps.Clone(i.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	backend := networkingv1ac.IngressBackend().WithService(networkingv1ac.IngressServiceBackend().
		WithName(s.Name).WithPort(networkingv1ac.ServiceBackendPort().WithName(queryPortName)))
	if i.AWS != nil {
		own, err := albAnnotations(s, *i.AWS)
		if err != nil {
			return nil, err
		}
		maps.Copy(annotations, own)
		if len(i.AWS.TargetGroups) > 0 {
			// The controller takes the action from the annotation of that name.
			backend = networkingv1ac.IngressBackend().WithService(networkingv1ac.IngressServiceBackend().
				WithName(forwardAction).WithPort(networkingv1ac.ServiceBackendPort().WithName("use-annotation")))
		}
	}
	spec := networkingv1ac.IngressSpec()
	if i.ClassName != "" {
		spec.WithIngressClassName(i.ClassName)
	}
	rule := networkingv1ac.HTTPIngressRuleValue().WithPaths(networkingv1ac.HTTPIngressPath().
		WithPath(s.Spec.Exposure.Path).WithPathType(networkingv1.PathTypePrefix).WithBackend(backend))
	hosts := s.Spec.Exposure.Hosts
	for _, host := range hosts {
		spec.WithRules(networkingv1ac.IngressRule().WithHost(host).WithHTTP(rule))
	}
	if len(hosts) == 0 {
		spec.WithRules(networkingv1ac.IngressRule().WithHTTP(rule))
	}
	if i.TLSSecretName != "" {
		spec.WithTLS(networkingv1ac.IngressTLS().WithSecretName(i.TLSSecretName).WithHosts(hosts...))
	}
	return networkingv1ac.Ingress(s.Name, s.Namespace).
		WithLabels(labels(s, ComponentRuntime)).
		WithAnnotations(annotations).
		WithOwnerReferences(owner(s)).
		WithSpec(spec), nil
}

// albAnnotations are what the AWS Load Balancer Controller reads: pods as targets,
// checked by the runtime's own readiness, and taken out no later than they drain.
func albAnnotations(s *v1alpha1.RAGService, aws v1alpha1.AWSLoadBalancer) (map[string]string, error) {
	a := map[string]string{
		albPrefix + "target-type":             "ip",
		albPrefix + "healthcheck-path":        "/health",
		albPrefix + "target-group-attributes": "deregistration_delay.timeout_seconds=30",
	}
	if aws.Scheme != "" {
		a[albPrefix+"scheme"] = string(aws.Scheme)
	}
	if aws.CertificateARN != "" {
		a[albPrefix+"certificate-arn"] = aws.CertificateARN
		a[albPrefix+"listen-ports"] = `[{"HTTPS":443}]`
	}
	if aws.GroupName != "" {
		a[albPrefix+"group.name"] = aws.GroupName
	}
	if len(aws.TargetGroups) == 0 {
		return a, nil
	}
	action, err := forward(s, aws)
	if err != nil {
		return nil, err
	}
	a[actionAnnotation] = action
	return a, nil
}

// forward splits traffic between this service and target groups that exist, such as
// that of the service on ECS.
func forward(s *v1alpha1.RAGService, aws v1alpha1.AWSLoadBalancer) (string, error) {
	type group struct {
		ServiceName    string `json:"serviceName,omitempty"`
		ServicePort    string `json:"servicePort,omitempty"`
		TargetGroupARN string `json:"targetGroupARN,omitempty"`
		Weight         int32  `json:"weight"`
	}
	groups := []group{{ServiceName: s.Name, ServicePort: queryPortName, Weight: *aws.Weight}}
	for _, g := range aws.TargetGroups {
		groups = append(groups, group{TargetGroupARN: g.ARN, Weight: g.Weight})
	}
	data, err := json.Marshal(map[string]any{
		"type":          "forward",
		"forwardConfig": map[string]any{"targetGroups": groups},
	})
	if err != nil {
		return "", fmt.Errorf("encode the forward action: %w", err)
	}
	return string(data), nil
}
