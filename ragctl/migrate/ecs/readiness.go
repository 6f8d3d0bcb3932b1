package ecs

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// targetGroupARNs are those that the service registers its tasks with.
func (w *workload) targetGroupARNs() []string {
	var groups []string
	for _, balancer := range w.serviceNode("loadBalancers").Items() {
		if group := balancer.Get("targetGroupArn").Text(); group != "" {
			groups = append(groups, group)
		}
	}
	return groups
}

// targetGroup is the target group whose check decides whether a task gets traffic:
// the service's first, or the only one there is.
func (w *workload) targetGroup() *jsontree.Node {
	groups := w.otherDocuments(kindTargetGroup)
	for _, wanted := range w.targetGroupARNs() {
		for _, group := range groups {
			if group.Get("TargetGroupArn").Text() == wanted {
				return group
			}
		}
	}
	if len(groups) == 1 {
		return groups[0]
	}
	return nil
}

// convertReadiness gives the main container a readiness probe: the target group's
// check, or else the container's own.
func (w *workload) convertReadiness() {
	spec := &w.main.spec
	group := w.targetGroup()
	if group == nil {
		if spec.LivenessProbe != nil {
			probe := *spec.LivenessProbe
			spec.ReadinessProbe = &probe
		}
		return
	}
	probe := &corev1.Probe{
		PeriodSeconds:    positive(group.Get("HealthCheckIntervalSeconds"), 30),
		TimeoutSeconds:   positive(group.Get("HealthCheckTimeoutSeconds"), 5),
		SuccessThreshold: positive(group.Get("HealthyThresholdCount"), 5),
		FailureThreshold: positive(group.Get("UnhealthyThresholdCount"), 2),
	}
	number := w.servicePort()
	if own, ok := group.Get("HealthCheckPort").Int(); ok && own > 0 && own <= 65535 {
		number = int32(own)
	}
	target := intstr.FromInt32(number)
	switch strings.ToUpper(group.Get("HealthCheckProtocol").Text()) {
	case "TCP", "TLS":
		probe.TCPSocket = &corev1.TCPSocketAction{Port: target}
	case "HTTPS":
		probe.HTTPGet = &corev1.HTTPGetAction{Path: checkPath(group), Port: target, Scheme: corev1.URISchemeHTTPS}
	default:
		probe.HTTPGet = &corev1.HTTPGetAction{Path: checkPath(group), Port: target}
	}
	spec.ReadinessProbe = probe
}

func checkPath(group *jsontree.Node) string {
	if path := group.Get("HealthCheckPath").Text(); strings.HasPrefix(path, "/") {
		return path
	}
	return "/"
}
