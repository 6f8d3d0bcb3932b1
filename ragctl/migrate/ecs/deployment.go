package ecs

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// convertToDeployment keeps the images: every container goes into the pod as it is,
// as far as Kubernetes can.
func (w *workload) convertToDeployment() {
	pod := &corev1.PodSpec{ServiceAccountName: w.name, EnableServiceLinks: new(false)}
	w.convertVolumes(pod)
	w.convertResources()
	for _, ctr := range w.containers {
		w.convertContainer(ctr, pod)
	}
	w.convertReadiness()
	w.convertTaskSettings(pod)
	w.arrangeContainers(pod)
	w.convertPlacement(pod)
	w.convertNetworkMode(pod)

	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: w.meta(w.name).Labels, Annotations: w.annotations},
		Spec:       *pod,
	}
	if w.isDaemon() {
		w.add(&appsv1.DaemonSet{
			ObjectMeta: w.meta(w.name),
			Spec:       appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: w.selector()}, Template: template},
		})
		return
	}
	deployment := &appsv1.Deployment{
		ObjectMeta: w.meta(w.name),
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: w.selector()}, Template: template},
	}
	if !w.scaling.scales() {
		deployment.Spec.Replicas = new(w.scaling.min)
	}
	w.convertDeploymentConfiguration(&deployment.Spec)
	w.add(deployment)
	w.emitAutoscaler()
}

// convertContainer maps everything of one container but its size and its place in
// the pod.
func (w *workload) convertContainer(ctr *container, pod *corev1.PodSpec) {
	node := ctr.node
	field := func(name string) string { return w.podField("containers[" + ctr.name + "]." + name) }

	ctr.spec.Name = ctr.name
	if ctr.name == ctr.ecsName {
		w.mapped(node.Get("name"), field("name"))
	} else {
		w.approximated(node.Get("name"), field("name"), "Kubernetes takes no such name: it became "+ctr.name+".")
	}
	w.convertImage(ctr, pod)
	w.convertEnvironment(ctr)
	w.convertEnvironmentFiles(ctr)
	w.convertCommand(ctr)
	w.convertPorts(ctr)
	w.convertHealthCheck(ctr, w.graceOf(ctr))
	w.convertMounts(ctr)
	w.convertSecurity(ctr, pod)
	w.convertLinux(ctr, pod)
	w.convertHosts(ctr, pod)
	w.convertLogging(ctr)
	w.convertDockerLabels(ctr)

	if dir := node.Get("workingDirectory"); dir.Text() != "" {
		ctr.spec.WorkingDir = dir.Text()
		w.mapped(dir, field("workingDir"))
	}
	if node.Get("interactive").True() {
		ctr.spec.Stdin = true
		w.mapped(node.Get("interactive"), field("stdin"))
	}
	if node.Get("pseudoTerminal").True() {
		ctr.spec.TTY = true
		w.mapped(node.Get("pseudoTerminal"), field("tty"))
	}
	w.ignore(node.Get("interactive"), "Off, as in Kubernetes.")
	w.ignore(node.Get("pseudoTerminal"), "Off, as in Kubernetes.")
	w.claimRestarts(ctr)
}

func (w *workload) convertImage(ctr *container, pod *corev1.PodSpec) {
	image := ctr.node.Get("image")
	ctr.spec.Image = strings.TrimSpace(image.Text())
	if ctr.spec.Image == "" {
		ctr.spec.Image = "IMAGE_TO_FILL_IN"
		w.warn("the container %s of %s has no image: fill it in", ctr.ecsName, w.name)
	}
	w.mapped(image, w.podField("containers["+ctr.name+"].image"))
	w.approximated(ctr.node.Get("versionConsistency"), "", "")

	credentials := ctr.node.Find("repositoryCredentials", "credentialsParameter")
	if credentials.IsSet() {
		name := w.name + "-registry"
		w.claim(credentials, ledger.Person, w.podField("imagePullSecrets"), "Make the pull Secret "+name+" of it.", ledger.StepSecrets)
		reference := corev1.LocalObjectReference{Name: name}
		if !slices.Contains(pod.ImagePullSecrets, reference) {
			pod.ImagePullSecrets = append(pod.ImagePullSecrets, reference)
			w.pullSecretTask(name)
		}
	}
}

func (w *workload) pullSecretTask(name string) {
	w.task(ledger.Task{
		Step: ledger.StepSecrets, Title: "Make the pull Secret " + name,
		Command: "kubectl -n " + w.options.Namespace + " create secret docker-registry " + name + " --docker-server=<REGISTRY> --docker-username=<USER> --docker-password=<PASSWORD>",
	})
}

// convertCommand maps entryPoint and command, of which the second is the arguments
// of the image's entry point where the first is not set.
func (w *workload) convertCommand(ctr *container) {
	for _, part := range []struct {
		name, field string
		words       *[]string
	}{
		{"entryPoint", "command", &ctr.spec.Command},
		{"command", "args", &ctr.spec.Args},
	} {
		node := ctr.node.Get(part.name)
		*part.words = w.arguments(ctr, node, node.Texts())
		w.mapped(node, w.podField("containers["+ctr.name+"]."+part.field))
	}
}

func (w *workload) claimRestarts(ctr *container) {
	node := ctr.node
	w.approximated(node.Get("restartPolicy"), "", "")
	w.approximated(node.Get("startTimeout"), "", "")
}

// convertTaskSettings maps what the containers of a pod share.
func (w *workload) convertTaskSettings(pod *corev1.PodSpec) {
	task := w.node
	w.convertGracePeriod(pod)
	switch strings.ToLower(task.Get("pidMode").Text()) {
	case "host":
		pod.HostPID = true
		w.mapped(task.Get("pidMode"), w.podField("hostPID"))
	case "task":
		pod.ShareProcessNamespace = new(true)
		w.mapped(task.Get("pidMode"), w.podField("shareProcessNamespace"))
	default:
		w.ignore(task.Get("pidMode"), "Each container has its own process namespace, as in ECS.")
	}
	if strings.EqualFold(task.Get("ipcMode").Text(), "host") {
		pod.HostIPC = true
		w.mapped(task.Get("ipcMode"), w.podField("hostIPC"))
	} else {
		w.approximated(task.Get("ipcMode"), "", "")
	}
	w.convertPlatform(&pod.NodeSelector)
	w.claimCompatibilities()
}

// convertGracePeriod maps stopTimeout: a pod has one for all its containers.
func (w *workload) convertGracePeriod(pod *corev1.PodSpec) {
	longest := 0
	for _, ctr := range w.containers {
		timeout := ctr.node.Get("stopTimeout")
		if seconds, ok := timeout.Int(); ok && seconds > 0 {
			longest = max(longest, seconds)
			w.approximated(timeout, w.podField("terminationGracePeriodSeconds"), "")
			continue
		}
		w.ignore(timeout, "Not a number of seconds: 30, as by default.")
	}
	if longest > 0 {
		pod.TerminationGracePeriodSeconds = new(int64(longest))
	}
}

// convertPlatform maps architecture and operating system.
func (w *workload) convertPlatform(selector *map[string]string) {
	set := func(key, value string) {
		if *selector == nil {
			*selector = map[string]string{}
		}
		(*selector)[key] = value
	}
	platform := w.node.Get("runtimePlatform")
	architecture := platform.Get("cpuArchitecture")
	switch strings.ToUpper(architecture.Text()) {
	case "ARM64":
		set("kubernetes.io/arch", "arm64")
		w.mapped(architecture, w.podField("nodeSelector"))
	case "X86_64":
		set("kubernetes.io/arch", "amd64")
		w.mapped(architecture, w.podField("nodeSelector"))
	default:
		w.person(architecture, ledger.StepPrepare, "An architecture that this conversion does not know.")
	}
	system := platform.Get("operatingSystemFamily")
	switch name := strings.ToUpper(system.Text()); {
	case name == "LINUX":
		w.mapped(system, w.podField("nodeSelector"))
		set("kubernetes.io/os", "linux")
	case strings.HasPrefix(name, "WINDOWS") && w.replaced:
		w.person(system, ledger.StepPrepare, "The query runtime runs on Linux: check that nothing of the service needs Windows.")
	case strings.HasPrefix(name, "WINDOWS"):
		set("kubernetes.io/os", "windows")
		w.person(system, ledger.StepPrepare, "Windows containers need Windows nodes of a matching build in the cluster.")
	default:
		w.person(system, ledger.StepPrepare, "An operating system that this conversion does not know.")
	}
}

func (w *workload) claimCompatibilities() {
	for _, item := range w.node.Get("requiresCompatibilities").Items() {
		if strings.EqualFold(item.Text(), "EXTERNAL") {
			w.person(item, ledger.StepPrepare, "ECS Anywhere runs on machines of your own: join those to the cluster as hybrid nodes, or leave them.")
			continue
		}
		w.approximated(item, "", "")
	}
}

// graceOf is the service's grace period for the container behind the load
// balancer, in seconds.
func (w *workload) graceOf(ctr *container) int32 {
	if ctr != w.main {
		return 0
	}
	return positive(w.serviceNode("healthCheckGracePeriodSeconds"), 0)
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }
