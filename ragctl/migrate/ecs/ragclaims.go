package ecs

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// claimMain accounts for what described the old process of the main container,
// which the query runtime replaces.
func (w *workload) claimMain() {
	node := w.main.node
	runtime := w.field("(the query runtime)")
	w.claim(node.Get("name"), ledger.Ignored, "", "The runtime's container has a name of its own.", "")
	w.approximated(node.Get("image"), runtime, "The query runtime takes the place of the image. To keep it, convert with --keep-image.")
	w.approximated(node.Get("versionConsistency"), runtime, "The operator pins the runtime's image.")
	w.approximated(node.Get("entryPoint"), runtime, "Started the old process.")
	w.approximated(node.Get("command"), runtime, "Started the old process; its workers are one process now that uses all CPUs.")
	w.approximated(node.Get("essential"), runtime, "")
	w.approximated(node.Get("healthCheck"), runtime, "The operator gives the runtime startup, readiness and liveness probes of its own.")
	w.approximated(node.Get("stopTimeout"), runtime, "The operator's grace period covers the time the runtime needs to drain.")
	w.approximated(node.Get("startTimeout"), runtime, "")
	w.approximated(node.Get("restartPolicy"), runtime, "")
	w.approximated(node.Get("readonlyRootFilesystem"), runtime, "The runtime always runs with a read-only root.")
	w.approximated(node.Get("user"), runtime, "The runtime runs as a user without rights.")
	for _, mapping := range node.Get("portMappings").Items() {
		w.approximated(mapping.Get("containerPort"), "Service/"+w.name+" port 8080", "The runtime's port.")
		w.ignore(mapping, "The runtime's port has a name and protocol of its own.")
		w.ignore(mapping.Get("hostPort"), "Pods have addresses of their own.")
	}
	w.convertLogging(w.main)
	w.claimOldProcess(node)
}

// claimOldProcess accounts for what shaped the old process and has no use with the
// runtime, or needs a look because it may have carried something more.
func (w *workload) claimOldProcess(node *jsontree.Node) {
	note := "Of the old process; the query runtime does not need it."
	for _, name := range []string{
		"workingDirectory", "interactive", "pseudoTerminal", "privileged", "linuxParameters", "ulimits", "systemControls",
		"dockerSecurityOptions", "disableNetworking", "hostname",
	} {
		w.ignoreTree(node.Get(name), note)
	}
	for _, label := range node.Get("dockerLabels").Children() {
		w.claim(label, ledger.Ignored, "", note, "")
	}
	w.personEach(node.Get("mountPoints").Children(), ledger.StepStorage, "The runtime mounts no volumes: if documents or models are in it, fill the vector store from them.")
	w.personEach(node.Get("volumesFrom").Children(), ledger.StepStorage, "The runtime mounts no volumes.")
	w.personEach(node.Get("links").Children(), ledger.StepNetwork, "The runtime calls other parts by their Service names: set them in the RAGService.")
	w.personEach(node.Get("extraHosts").Children(), ledger.StepNetwork, "A RAGService has no host aliases: make the name resolve in DNS.")
	w.personEach(node.Get("dnsServers").Children(), ledger.StepNetwork, "A RAGService uses the cluster's DNS: forward the zone there.")
	w.personEach(node.Get("dnsSearchDomains").Children(), ledger.StepNetwork, "A RAGService uses the cluster's DNS: use full names.")
	for _, dependency := range node.Get("dependsOn").Items() {
		w.approximated(dependency, w.field("(the query runtime)"), "The runtime starts without waiting, and answers as far as its parts are there.")
	}
	w.personEach(node.Get("resourceRequirements").Children(), ledger.StepWorkload, "The runtime needs no accelerator: if the process ran a model on it, run that as a service of its own and set its address.")
	if credentials := node.Find("repositoryCredentials", "credentialsParameter"); credentials.IsSet() {
		w.claim(credentials, ledger.Ignored, "", "Of the old image.", "")
	}
}

// ignoreTree claims every leaf below as of no use any more.
func (w *workload) ignoreTree(node *jsontree.Node, note string) {
	for leaf := range node.Leaves() {
		w.ignore(leaf, note)
	}
}

// personEach claims nodes for a person, with one note.
func (w *workload) personEach(nodes []*jsontree.Node, step ledger.Step, note string) {
	for _, node := range nodes {
		w.claim(node, ledger.Person, "", note, step)
	}
}

// claimOther accounts for a container beside the main one, none of which the
// runtime takes along.
func (w *workload) claimOther(ctr *container) {
	switch ctr.role {
	case roleLogRouter:
		w.ignoreContainer(ctr, "The log router is gone: the cluster's log agent collects standard output.")
		w.routerTask()
	case roleProxy:
		w.ignoreContainer(ctr, "The proxy of App Mesh is gone.")
	case roleTelemetry:
		w.ignoreContainer(ctr, "The telemetry agent is gone: the runtime has metrics of its own, and sends traces where the operator's settings say.")
		w.task(ledger.Task{
			Step:   ledger.StepObserve,
			Title:  "Let the cluster's collector do the work of the container " + ctr.name,
			Detail: "It collected telemetry beside the old process; on Kubernetes that is the work of a collector for the cluster.",
		})
	case roleRedis:
		if w.redisSidecar() == ctr {
			w.approximatedContainer(ctr)
			return
		}
		w.leaveContainer(ctr)
	default:
		w.leaveContainer(ctr)
	}
}

func (w *workload) ignoreContainer(ctr *container, note string) {
	for leaf := range ctr.node.Leaves() {
		if r := w.ruleFor(leaf); r != nil && !w.book.Claimed(leaf) {
			w.book.Claim(leaf, ledger.Disposition{Bucket: ledger.Ignored, Note: note})
		}
	}
}

func (w *workload) approximatedContainer(ctr *container) {
	for leaf := range ctr.node.Leaves() {
		if r := w.ruleFor(leaf); r != nil && !w.book.Claimed(leaf) {
			w.book.Claim(leaf, ledger.Disposition{Bucket: ledger.Approximated, Target: w.field("spec.cache.redis.managed"),
				Note: "One Redis for all replicas, which the operator runs, takes its place."})
		}
	}
}

// leaveContainer says that a container with work of its own is not in the output.
func (w *workload) leaveContainer(ctr *container) {
	for leaf := range ctr.node.Leaves() {
		if r := w.ruleFor(leaf); r != nil && !w.book.Claimed(leaf) {
			w.book.Claim(leaf, ledger.Disposition{Bucket: ledger.Person, Step: ledger.StepWorkload,
				Note: "The container " + ctr.ecsName + " has work of its own, which a RAGService does not run beside the runtime: run it as a Deployment of its own, or keep the images (--keep-image)."})
		}
	}
}

// claimTask accounts for what the containers of the old task shared.
func (w *workload) claimTask() {
	task := w.node
	w.claimCompatibilities()
	w.convertNetworkMode(&corev1.PodSpec{})
	for _, name := range []string{"pidMode", "ipcMode"} {
		w.claim(task.Get(name), ledger.Ignored, "", "Of the old processes.", "")
	}
	w.personEach(task.Get("volumes").Items(), ledger.StepStorage, "The runtime mounts no volumes: if documents or models are in it, fill the vector store from them.")
	if strings.EqualFold(task.Get("networkMode").Text(), "host") {
		w.warn("%s used host networking; its RAGService is reached through a Service", w.name)
	}
}
