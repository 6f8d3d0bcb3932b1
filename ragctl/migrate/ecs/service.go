package ecs

import (
	"math"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertService maps what the ECS service says beside scaling and load balancing.
func (w *workload) convertService() {
	if !w.replaced {
		w.emitService()
		w.routerTasksOnce()
	}
	if w.service == nil {
		return
	}
	w.claimServiceNames()
	w.convertSecurityGroups()
	w.convertServiceConnect()
	w.convertRegistries()
	w.claimRollout()
	if !w.replaced && !w.isDaemon() {
		w.emitDisruptionBudget()
	}
	grace := w.serviceNode("healthCheckGracePeriodSeconds")
	switch seconds, ok := grace.Int(); {
	case w.replaced && ok && seconds > 0:
		w.approximated(grace, w.field("(the query runtime)"), "The runtime is ready within seconds; the operator's startup probe covers it.")
	case ok && seconds > 0 && w.main.spec.StartupProbe != nil:
		w.mapped(grace, w.podField("containers["+w.main.name+"].startupProbe.failureThreshold"))
	default:
		w.ignore(grace, "0, or nothing that it could delay.")
	}
}

func (w *workload) routerTasksOnce() {
	if slices.ContainsFunc(w.containers, func(ctr *container) bool { return ctr.role == roleLogRouter }) {
		w.routerTask()
	}
}

func (w *workload) claimServiceNames() {
	name := w.serviceNode("serviceName")
	if dnsLabel(name.Text(), maxServiceName) == w.name {
		w.mapped(name, "metadata.name")
	} else {
		w.approximated(name, "metadata.name", "The objects are called after the task definition's family, "+w.name+".")
	}
	w.mapped(w.serviceNode("taskDefinition"), w.field("metadata.name"))
	strategy := w.serviceNode("schedulingStrategy")
	w.mapped(strategy, w.workloadKind()+"/"+w.name)
}

// convertDeploymentConfiguration maps how far a rollout may go below and above the
// number of replicas. ECS rounds the minimum up and the maximum down; as
// percentages Kubernetes would round the other way, so they become numbers.
func (w *workload) convertDeploymentConfiguration(spec *appsv1.DeploymentSpec) {
	configuration := w.serviceNode("deploymentConfiguration")
	least, most := configuration.Get("minimumHealthyPercent"), configuration.Get("maximumPercent")
	count := w.scaling.min
	if desired, ok := w.serviceNode("desiredCount").Int(); ok && desired > 0 {
		count = clampReplicas(desired)
	}
	replicas := float64(count)
	minimum, okMin := least.Float()
	maximum, okMax := most.Float()
	if okMin || okMax {
		if !okMin {
			minimum = 100
		}
		if !okMax {
			maximum = 200
		}
		unavailable := max(0, count-int32(math.Ceil(replicas*clampPercent(minimum)/100)))
		surge := max(0, int32(math.Floor(replicas*clampPercent(maximum)/100))-count)
		note := ""
		if unavailable == 0 && surge == 0 {
			surge = 1
			note = "100/100 would let no rollout begin: one pod more than the number of replicas is allowed."
		}
		spec.Strategy = appsv1.DeploymentStrategy{
			Type:          appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: new(intstr.FromInt32(unavailable)), MaxSurge: new(intstr.FromInt32(surge))},
		}
		w.approximated(least, w.field("spec.strategy.rollingUpdate.maxUnavailable"), note)
		w.approximated(most, w.field("spec.strategy.rollingUpdate.maxSurge"), note)
	}
	if breaker := configuration.Find("deploymentCircuitBreaker", "enable"); breaker.True() {
		spec.ProgressDeadlineSeconds = new(int32(600))
		w.approximated(breaker, w.field("spec.progressDeadlineSeconds"), "")
	}
}

func clampPercent(p float64) float64 { return min(max(p, 0), 1000) }

// claimRollout accounts for what the deployment configuration says beyond a rolling
// update.
func (w *workload) claimRollout() {
	configuration := w.serviceNode("deploymentConfiguration")
	if w.replaced {
		for _, name := range []string{"minimumHealthyPercent", "maximumPercent"} {
			w.approximated(configuration.Get(name), w.field("(rolling update)"), "The operator replaces pods one by one, and keeps every replica up.")
		}
		w.approximated(configuration.Find("deploymentCircuitBreaker", "enable"), w.field("(rolling update)"), "A rollout that does not get on shows in the condition RuntimeAvailable.")
	}
	if w.isDaemon() {
		for _, name := range []string{"minimumHealthyPercent", "maximumPercent"} {
			w.claim(configuration.Get(name), ledger.Ignored, "", "A DaemonSet replaces one pod at a time.", "")
		}
	}
	w.ignore(configuration.Find("deploymentCircuitBreaker", "enable"), "Off.")
	for _, path := range [][]string{{"deploymentCircuitBreaker", "rollback"}, {"alarms", "enable"}, {"alarms", "rollback"}} {
		if node := configuration.Find(path...); !node.True() {
			w.ignore(node, "Off.")
		}
	}
	if node := configuration.Get("strategy"); strings.EqualFold(node.Text(), "ROLLING") {
		w.mapped(node, w.field("spec.strategy"))
	}
	if bake, ok := configuration.Get("bakeTimeInMinutes").Int(); ok && bake == 0 {
		w.ignore(configuration.Get("bakeTimeInMinutes"), "0 is none.")
	}
	controller := w.serviceNode("deploymentController", "type")
	if strings.EqualFold(controller.Text(), "ECS") {
		w.mapped(controller, w.field("spec.strategy"))
		return
	}
	if controller.IsSet() {
		w.task(ledger.Task{
			Step:   ledger.StepRollback,
			Title:  "Choose what shifts traffic between versions of " + w.name,
			Detail: "ECS left it to " + controller.Text() + ". Here a rollout is a rolling update until Argo Rollouts or Flagger takes over; its analysis can watch the RAGService's objectives.",
		})
	}
}

// emitDisruptionBudget keeps as many pods up through node upgrades as ECS kept
// through deployments.
func (w *workload) emitDisruptionBudget() {
	if w.scaling.min < 2 {
		return
	}
	w.add(&policyv1.PodDisruptionBudget{
		ObjectMeta: w.meta(w.name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(1)),
			Selector:       &metav1.LabelSelector{MatchLabels: w.selector()},
		},
	})
}

// convertServiceConnect maps the names by which other services call this one.
func (w *workload) convertServiceConnect() {
	connect := w.serviceNode("serviceConnectConfiguration")
	if !connect.IsSet() {
		return
	}
	if !connect.Get("enabled").True() && connect.Get("enabled").IsSet() {
		w.mapped(connect.Get("enabled"), "no Services")
		w.ignoreTree(connect, "Service Connect is off.")
		return
	}
	w.mapped(connect.Get("enabled"), "Service/"+w.name)
	w.approximated(connect.Get("namespace"), "namespace "+w.options.Namespace, "Names of Services are unique in a namespace of the cluster.")
	for _, item := range connect.Get("services").Items() {
		w.convertConnectService(item)
	}
	w.approximated(connect.Get("logConfiguration"), "none", "The proxy of Service Connect is gone, and its logs with it.")
}

func (w *workload) convertConnectService(item *jsontree.Node) {
	target, ok := w.portNamed(item.Get("portName").Text())
	aliases := item.Get("clientAliases").Items()
	discovery := item.Get("discoveryName")
	names := map[string]bool{}
	for _, alias := range aliases {
		name := alias.Get("dnsName").Text()
		if name == "" {
			name = discovery.Text()
		}
		number, isPort := alias.Get("port").Int()
		switch {
		case len(validation.IsDNS1035Label(name)) > 0:
			w.person(alias, ledger.StepDNS, "Not a name that a Service can have (one with dots, for instance): make a record of it that points at the Service "+w.name+", or let callers use that name.")
		case !ok || !isPort || number < 1 || number > 65535:
			w.person(alias, ledger.StepDNS, "There is no such port: left out.")
		case name == w.name && int32(number) == w.servicePort():
			w.mapped(alias, "Service/"+name)
		case name == w.name:
			w.person(alias, ledger.StepDNS, "The Service "+w.name+" has that name already and listens on another port: let callers use port "+itoa(w.servicePort())+".")
		case names[name]:
			w.person(alias, ledger.StepDNS, "A second alias of this name: left out.")
		default:
			names[name] = true
			w.add(w.aliasService(name, int32(number), target))
			w.mapped(alias, "Service/"+name)
		}
	}
	if ok {
		w.mapped(item.Get("portName"), "Service/"+w.name+" ports")
	} else {
		w.person(item.Get("portName"), ledger.StepDNS, "No port mapping has this name.")
	}
	if names[discovery.Text()] || discovery.Text() == w.name {
		w.mapped(discovery, "Service/"+discovery.Text())
	} else {
		w.approximated(discovery, "Service/"+w.name, "The name that services of the namespace found it by.")
	}
}

// portNamed returns the port of the pods that a port mapping's name stands for.
func (w *workload) portNamed(name string) (int32, bool) {
	for _, ctr := range w.containers {
		for _, p := range portsOf(ctr) {
			if p.ecsName == name {
				if w.replaced {
					return queryPort, ctr == w.main
				}
				return p.number, true
			}
		}
	}
	return 0, false
}

// aliasService is a second Service of the same pods, under the name that callers
// know.
func (w *workload) aliasService(name string, number, target int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: w.meta(name),
		Spec: corev1.ServiceSpec{
			Selector: w.podSelector(),
			Ports:    []corev1.ServicePort{{Name: "http", Port: number, TargetPort: intstr.FromInt32(target), Protocol: corev1.ProtocolTCP}},
		},
	}
}

// convertRegistries maps Cloud Map: its names are those of Services now.
func (w *workload) convertRegistries() {
	for _, registry := range w.serviceNode("serviceRegistries").Items() {
		w.claim(registry.Get("registryArn"), ledger.Person, "Service/"+w.name, "Inside the cluster the name is "+w.name+"."+w.options.Namespace+". Who resolves the Cloud Map name from outside needs external-dns with the AWS Cloud Map provider, or another way in.", ledger.StepDNS)
		w.approximated(registry, "Service/"+w.name+" ports", "")
	}
}
