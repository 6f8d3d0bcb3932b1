package ecs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// port is one port mapping, as far as it can be carried over.
type port struct {
	name        string
	ecsName     string
	number      int32
	protocol    corev1.Protocol
	appProtocol string
	container   *container
}

// readPort reads a port mapping; ok is false where it names no port.
func readPort(ctr *container, mapping *jsontree.Node) (p port, ok bool) {
	number, ok := mapping.Get("containerPort").Int()
	if !ok || number < 1 || number > 65535 {
		return port{}, false
	}
	p = port{number: int32(number), protocol: corev1.ProtocolTCP, container: ctr, ecsName: mapping.Get("name").Text()}
	if strings.EqualFold(mapping.Get("protocol").Text(), "udp") {
		p.protocol = corev1.ProtocolUDP
	}
	p.name = portName(p.ecsName)
	if application := mapping.Get("appProtocol").Text(); application != "" {
		p.appProtocol = map[string]string{"http": "http", "http2": "kubernetes.io/h2c", "grpc": "kubernetes.io/h2c"}[strings.ToLower(application)]
	}
	return p, true
}

// portsOf lists the ports of a container.
func portsOf(ctr *container) []port {
	var ports []port
	for _, mapping := range ctr.node.Get("portMappings").Items() {
		if p, ok := readPort(ctr, mapping); ok {
			ports = append(ports, p)
		}
	}
	return ports
}

// convertPorts maps the port mappings of a container whose image is kept.
func (w *workload) convertPorts(ctr *container) {
	host := strings.EqualFold(w.node.Get("networkMode").Text(), "host")
	for _, mapping := range ctr.node.Get("portMappings").Items() {
		p, ok := readPort(ctr, mapping)
		if !ok {
			w.person(mapping.Get("containerPort"), ledger.StepNetwork, "No port between 1 and 65535: left out.")
			w.ignore(mapping.Get("hostPort"), "Without a port of the container it says nothing.")
			w.ignore(mapping.Get("protocol"), "Without a port it says nothing.")
			w.ignore(mapping.Get("name"), "Without a port it says nothing.")
			w.ignore(mapping.Get("appProtocol"), "Without a port it says nothing.")
			continue
		}
		w.claimPort(ctr, mapping, p)
		if w.portTaken(p) {
			continue
		}
		spec := corev1.ContainerPort{Name: p.name, ContainerPort: p.number, Protocol: p.protocol}
		if slices.ContainsFunc(ctr.spec.Ports, func(other corev1.ContainerPort) bool { return other.Name == p.name && p.name != "" }) {
			spec.Name = ""
		}
		if host {
			spec.HostPort = p.number
		}
		ctr.spec.Ports = append(ctr.spec.Ports, spec)
	}
}

// portTaken reports whether a container of the pod has the port already.
func (w *workload) portTaken(p port) bool {
	for _, ctr := range w.containers {
		for _, other := range ctr.spec.Ports {
			if other.ContainerPort == p.number && other.Protocol == p.protocol {
				return true
			}
		}
	}
	return false
}

func (w *workload) claimPort(ctr *container, mapping *jsontree.Node, p port) {
	field := w.podField(fmt.Sprintf("containers[%s].ports[%d]", ctr.name, p.number))
	if w.portTaken(p) {
		w.person(mapping.Get("containerPort"), ledger.StepNetwork, "Another container of the pod has this port already, and they share one address: move one of them.")
	} else {
		w.mapped(mapping.Get("containerPort"), field)
	}
	w.mapped(mapping.Get("protocol"), field+".protocol")
	if p.ecsName == p.name {
		w.mapped(mapping.Get("name"), field+".name")
	} else {
		w.approximated(mapping.Get("name"), field+".name", "Cut to what a port's name can be: "+cmp.Or(p.name, "nothing")+".")
	}
	if p.appProtocol != "" {
		w.mapped(mapping.Get("appProtocol"), "Service/"+w.name+" ports[].appProtocol")
	}
	w.ignore(mapping.Get("appProtocol"), "Plain TCP.")

	hostPort := mapping.Get("hostPort")
	number, ok := hostPort.Int()
	switch {
	case strings.EqualFold(w.node.Get("networkMode").Text(), "host"):
		w.mapped(hostPort, field+".hostPort")
	case !ok || number == 0 || int32(number) == p.number:
		w.ignore(hostPort, "Pods have addresses of their own: no port of the node is needed.")
	default:
		w.person(hostPort, ledger.StepNetwork, "Who called this port of the node calls the Service instead, on the container's port.")
	}
}

// emitService adds the Service of a Deployment, with the ports of every container.
func (w *workload) emitService() {
	service := &corev1.Service{ObjectMeta: w.meta(w.name), Spec: corev1.ServiceSpec{Selector: w.selector()}}
	names := map[string]bool{}
	for _, ctr := range w.containers {
		for _, p := range portsOf(ctr) {
			if slices.ContainsFunc(service.Spec.Ports, func(other corev1.ServicePort) bool {
				return other.Port == p.number && other.Protocol == p.protocol
			}) {
				continue
			}
			name := p.name
			if name == "" || names[name] {
				name = fmt.Sprintf("%s-%d", strings.ToLower(string(p.protocol)), p.number)
			}
			names[name] = true
			spec := corev1.ServicePort{Name: name, Port: p.number, TargetPort: intstr.FromInt32(p.number), Protocol: p.protocol}
			if p.appProtocol != "" {
				spec.AppProtocol = new(p.appProtocol)
			}
			service.Spec.Ports = append(service.Spec.Ports, spec)
		}
	}
	if len(service.Spec.Ports) > 0 {
		w.add(service)
	}
}

// servicePort is the port of the workload's Service that queries come in by.
func (w *workload) servicePort() int32 {
	if w.replaced {
		return queryPort
	}
	if number, ok := w.balancedPort(); ok {
		return number
	}
	if ports := portsOf(w.main); len(ports) > 0 {
		return ports[0].number
	}
	return 80
}

// balancedPort is the port that the service's load balancer forwards to.
func (w *workload) balancedPort() (int32, bool) {
	for _, balancer := range w.serviceNode("loadBalancers").Items() {
		if number, ok := balancer.Get("containerPort").Int(); ok && number > 0 && number <= 65535 {
			return int32(number), true
		}
	}
	return 0, false
}

func objectMeta(meta metav1.ObjectMeta, annotations map[string]string) metav1.ObjectMeta {
	if len(annotations) > 0 {
		meta.Annotations = annotations
	}
	return meta
}
