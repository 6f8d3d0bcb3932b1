package ecs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// role is what a container is for.
type role string

const (
	roleApp       role = "app"
	roleLogRouter role = "log router"      // FireLens: the cluster's log agent does it
	roleProxy     role = "App Mesh proxy"  // dropped with App Mesh
	roleTelemetry role = "telemetry agent" // a collector or agent beside the app
	roleRedis     role = "Redis"           // a cache beside the app
)

// container is one container definition.
type container struct {
	node    *jsontree.Node
	ecsName string
	name    string // in Kubernetes
	role    role
	spec    corev1.Container // filled where the image is kept
	env     []*setting
}

// setting is one entry of environment or secrets, or of an environment file.
type setting struct {
	name      string
	value     string
	node      *jsontree.Node // nil where it comes from an environment file
	valueFrom *jsontree.Node // where the value is in Secrets Manager or Parameter Store
	plainText bool           // a secret's value in plain text, never copied
}

// isSecret reports whether the value is not to be seen.
func (s *setting) isSecret() bool { return s.valueFrom != nil || s.plainText }

var roleImages = []struct {
	pattern *regexp.Regexp
	role    role
}{
	{regexp.MustCompile(`aws-for-fluent-bit|fluent-bit|fluentd`), roleLogRouter},
	{regexp.MustCompile(`aws-appmesh-envoy|ecs-service-connect-agent`), roleProxy},
	{regexp.MustCompile(`aws-xray-daemon|xray-daemon|aws-otel-collector|opentelemetry-collector|cloudwatch-agent|datadog/agent|newrelic/|dynatrace/|splunk-otel|grafana/(agent|alloy)`), roleTelemetry},
	{regexp.MustCompile(`(^|/)(redis|valkey|redis-stack|keydb)(:|@|$)`), roleRedis},
}

// readContainers reads what the other steps need to know of every container.
func (w *workload) readContainers() {
	taken := map[string]bool{}
	for i, node := range w.node.Get("containerDefinitions").Items() {
		ecsName := node.Get("name").Text()
		base := cmp.Or(dnsLabel(ecsName, maxLabel), fmt.Sprintf("container-%d", i+1))
		name := base
		for n := 2; taken[name]; n++ {
			suffix := fmt.Sprintf("-%d", n)
			name = base[:min(len(base), maxLabel-len(suffix))] + suffix
		}
		taken[name] = true
		ctr := &container{node: node, ecsName: ecsName, name: name, role: roleOf(node, w.node)}
		ctr.env = w.readSettings(node)
		w.containers = append(w.containers, ctr)
	}
}

func roleOf(node, task *jsontree.Node) role {
	if node.Get("firelensConfiguration").IsSet() {
		return roleLogRouter
	}
	if proxy := task.Find("proxyConfiguration", "containerName").Text(); proxy != "" && proxy == node.Get("name").Text() {
		return roleProxy
	}
	image := node.Get("image").Text()
	for _, known := range roleImages {
		if known.pattern.MatchString(image) {
			return known.role
		}
	}
	return roleApp
}

// readSettings reads environment and secrets, with what an environment file adds,
// in ECS's order of precedence: the last of a name wins.
func (w *workload) readSettings(node *jsontree.Node) []*setting {
	var settings []*setting
	for _, file := range node.Get("environmentFiles").Items() {
		for _, pair := range parseEnvFile(w.envFiles[file.Get("value").Text()]) {
			pair.plainText = looksSecret(pair.name, pair.value)
			settings = append(settings, pair)
		}
	}
	for _, item := range node.Get("environment").Items() {
		s := &setting{name: item.Get("name").Text(), value: item.Get("value").Text(), node: item}
		s.plainText = looksSecret(s.name, s.value)
		settings = append(settings, s)
	}
	for _, item := range node.Get("secrets").Items() {
		valueFrom := item.Get("valueFrom")
		if valueFrom == nil {
			valueFrom = item
		}
		settings = append(settings, &setting{name: item.Get("name").Text(), node: item, valueFrom: valueFrom})
	}
	return settings
}

// parseEnvFile reads lines of NAME=value; lines that start with # are comments, as
// ECS has it.
func parseEnvFile(data []byte) []*setting {
	var settings []*setting
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		name, value, ok := strings.Cut(line, "=")
		if ok && !strings.HasPrefix(line, "#") && name != "" {
			settings = append(settings, &setting{name: name, value: value})
		}
	}
	return settings
}

// effective returns the settings that are in force: the last of each name.
func (ctr *container) effective() []*setting {
	last := map[string]*setting{}
	for _, s := range ctr.env {
		last[s.name] = s
	}
	return slices.DeleteFunc(slices.Clone(ctr.env), func(s *setting) bool { return last[s.name] != s })
}

// chooseMain finds the container that answers: the one asked for, the one behind
// the load balancer, the first app with a port, the first app, the first.
func (w *workload) chooseMain() {
	needed := map[*container]bool{} // by others, which therefore is not what they are there for
	for _, ctr := range w.containers {
		for _, other := range w.dependenciesOf(ctr) {
			needed[other] = true
		}
	}
	candidates := []func(*container) bool{
		func(ctr *container) bool { return ctr.role == roleApp && len(ctr.ports()) > 0 && !needed[ctr] },
		func(ctr *container) bool { return ctr.role == roleApp && len(ctr.ports()) > 0 },
		func(ctr *container) bool { return ctr.role == roleApp && ctr.isEssential() },
		func(ctr *container) bool { return ctr.role == roleApp },
		func(*container) bool { return true },
	}
	if balancers := w.serviceNode("loadBalancers").Items(); len(balancers) > 0 {
		name := balancers[0].Get("containerName").Text()
		candidates = slices.Insert(candidates, 0, func(ctr *container) bool { return ctr.ecsName == name })
	}
	if wanted := w.options.MainContainer; wanted != "" {
		if w.containerNamed(wanted) == nil {
			w.warn("%s has no container %s, which --main-container asks for", w.name, wanted)
		}
		candidates = slices.Insert(candidates, 0, func(ctr *container) bool { return ctr.ecsName == wanted })
	}
	for _, candidate := range candidates {
		if i := slices.IndexFunc(w.containers, candidate); i >= 0 {
			w.main = w.containers[i]
			w.main.role = roleApp
			return
		}
	}
}

// isEssential reports whether the end of the container ends the task, which is so
// unless it says otherwise.
func (ctr *container) isEssential() bool {
	essential := ctr.node.Get("essential")
	return !essential.IsSet() || essential.True()
}

// ports returns the container's ports in the order given.
func (ctr *container) ports() []int {
	var ports []int
	for _, mapping := range ctr.node.Get("portMappings").Items() {
		if port, ok := mapping.Get("containerPort").Int(); ok && port > 0 && port <= 65535 {
			ports = append(ports, port)
		}
	}
	return ports
}
