package ecs

import (
	"cmp"
	"slices"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertLoadBalancing maps load balancers, target groups, listeners and their rules
// to one Ingress of the AWS Load Balancer Controller.
func (w *workload) convertLoadBalancing() {
	w.claimBalancers()
	listeners, rules := w.otherDocuments(kindListener), w.otherDocuments(kindListenerRule)
	balancers, groups := w.otherDocuments(kindLoadBalancer), w.otherDocuments(kindTargetGroup)
	if network := slices.IndexFunc(balancers, isNetworkBalancer); network >= 0 {
		w.networkBalancer(slices.Concat(balancers, groups, listeners, rules))
		return
	}
	if len(listeners)+len(rules)+len(balancers)+len(groups) == 0 && len(w.targetGroupARNs()) == 0 {
		w.leaveAttributes()
		return
	}
	if w.isDaemon() || !w.replaced && len(w.main.ports()) == 0 {
		for _, node := range slices.Concat(balancers, groups, listeners, rules) {
			w.leaveOut(&document{node: node}, ledger.Person, "Nothing of "+w.name+" listens on a port: no Ingress was made.")
		}
		w.leaveAttributes()
		return
	}
	ing := newIngress(w)
	for _, balancer := range balancers {
		ing.balancer(balancer)
	}
	ing.targetGroups(groups)
	for _, attributes := range w.otherDocuments(kindTGAttributes) {
		ing.attributes(attributes)
	}
	slices.SortStableFunc(rules, byPriority)
	for i, rule := range rules {
		ing.rule(i+1, rule)
	}
	for _, listener := range listeners { // their default actions come last
		ing.listener(listener)
	}
	ing.finish()
}

// byPriority orders rules as the load balancer tries them; the default one is last.
func byPriority(a, b *jsontree.Node) int {
	priority := func(rule *jsontree.Node) int {
		if value, ok := rule.Get("Priority").Int(); ok {
			return value
		}
		return 1 << 20
	}
	return cmp.Compare(priority(a), priority(b))
}

func isNetworkBalancer(balancer *jsontree.Node) bool {
	kind := strings.ToLower(balancer.Get("Type").Text())
	return kind == "network" || kind == "gateway"
}

// networkBalancer leaves a Network Load Balancer to a person: it belongs to a
// Service, which for a RAGService the operator makes.
func (w *workload) networkBalancer(nodes []*jsontree.Node) {
	for _, node := range nodes {
		w.leaveOut(&document{node: node}, ledger.Person, "A Network Load Balancer is made of a Service of type LoadBalancer with the controller's annotations: add one for the pods of "+w.name+".")
	}
	w.leaveAttributes()
}

func (w *workload) leaveAttributes() {
	for _, doc := range w.others {
		if doc.kind == kindTGAttributes {
			w.leaveOut(doc, ledger.Person, "Attributes of a target group that is not among the inputs.")
		}
	}
}

// claimBalancers claims what the service says of its load balancers.
func (w *workload) claimBalancers() {
	for _, balancer := range w.serviceNode("loadBalancers").Items() {
		if group := balancer.Get("targetGroupArn"); group.IsSet() {
			w.approximated(group, "Ingress/"+w.name, "")
		}
		name := balancer.Get("containerName")
		if ctr := w.containerNamed(name.Text()); ctr != nil && ctr == w.main {
			w.mapped(name, "Service/"+w.name)
		} else {
			w.person(name, ledger.StepTraffic, "Not the container that was taken for the one that answers: check --main-container.")
		}
		number := balancer.Get("containerPort")
		switch value, ok := number.Int(); {
		case w.replaced:
			w.approximated(number, "Service/"+w.name+" port 8080", "The runtime's port.")
		case ok && slices.Contains(w.main.ports(), value):
			w.mapped(number, "Service/"+w.name+" ports")
		default:
			w.person(number, ledger.StepTraffic, "The container has no such port.")
		}
	}
}
