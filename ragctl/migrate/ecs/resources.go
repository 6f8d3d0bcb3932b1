package ecs

import (
	"fmt"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// What a sidecar that states nothing is taken to need. It has to request
// something: an autoscaler can't work out the utilisation of a pod in which a
// container requests nothing.
const (
	sidecarMilliCPU = 50
	sidecarMiB      = 64
)

// taskSize is the size of a task; zero where it is not set.
type taskSize struct {
	milliCPU int
	mebi     int
}

// size reads the task's cpu and memory.
func (w *workload) size() taskSize {
	return taskSize{milliCPU: parseCPU(w.node.Get("cpu")), mebi: parseMemory(w.node.Get("memory"))}
}

// parseCPU reads units ("512", 512) or CPUs (".5 vCPU") as thousandths of a CPU, 0
// where it is neither.
func parseCPU(node *jsontree.Node) int {
	text := strings.ToLower(strings.TrimSpace(node.Text()))
	if cpus, ok := strings.CutSuffix(text, "vcpu"); ok {
		return scaled(cpus, 1000)
	}
	return scaled(text, 1000.0/1024)
}

// parseMemory reads MiB ("1024", 1024) or GiB ("1 GB") as MiB, 0 where it is
// neither.
func parseMemory(node *jsontree.Node) int {
	text := strings.ToLower(strings.TrimSpace(node.Text()))
	if gibi, ok := strings.CutSuffix(text, "gb"); ok {
		return scaled(gibi, 1024)
	}
	if mebi, ok := strings.CutSuffix(text, "mb"); ok {
		return scaled(mebi, 1)
	}
	return scaled(text, 1)
}

// scaled reads a decimal number times a factor, rounded; 0 for what is no number
// or too large to be meant.
func scaled(text string, factor float64) int {
	var value float64
	if n, err := fmt.Sscanf(strings.TrimSpace(text)+" ", "%f ", &value); n != 1 || err != nil {
		return 0
	}
	value *= factor
	if math.IsNaN(value) || value < 0 || value > 10_000_000 {
		return 0
	}
	return int(math.Round(value))
}

func milliCPU(m int) resource.Quantity {
	return *resource.NewMilliQuantity(int64(m), resource.DecimalSI)
}

func mebibytes(m int) resource.Quantity {
	return *resource.NewQuantity(int64(m)<<20, resource.BinarySI)
}

// claimTaskSize claims the task's cpu and memory as what they became.
func (w *workload) claimTaskSize(target string) {
	task := w.node
	for _, field := range []struct {
		node  *jsontree.Node
		value int
		name  string
	}{
		{task.Get("cpu"), w.size().milliCPU, "cpu"},
		{task.Get("memory"), w.size().mebi, "memory"},
	} {
		switch {
		case !field.node.IsSet():
		case field.value == 0:
			w.person(field.node, ledger.StepWorkload, "Not a size: wanted units such as 512 or \".5 vCPU\" for cpu, MiB or \"1 GB\" for memory. Left out.")
		default:
			w.mapped(field.node, w.podField(target+field.name))
		}
	}
}

// storageQuantity maps the task's ephemeral storage.
func (w *workload) storageQuantity(target string) (resource.Quantity, bool) {
	node := w.node.Find("ephemeralStorage", "sizeInGiB")
	if !node.IsSet() {
		return resource.Quantity{}, false
	}
	gibi, ok := node.Int()
	if !ok || gibi <= 0 || gibi > 1<<20 {
		w.person(node, ledger.StepStorage, "Not a size in GiB. Left out.")
		return resource.Quantity{}, false
	}
	w.mapped(node, w.podField(target))
	return *resource.NewQuantity(int64(gibi)<<30, resource.BinarySI), true
}

// convertResources maps the sizes of the task and its containers to requests and
// limits. The main container gets what the others leave of the task.
func (w *workload) convertResources() {
	size := w.size()
	w.claimTaskSize("containers[" + w.main.name + "].resources.limits.")
	rest := size
	for _, ctr := range w.containers {
		if ctr != w.main {
			used := w.resourcesOf(ctr, taskSize{milliCPU: sidecarMilliCPU, mebi: sidecarMiB})
			rest.milliCPU -= used.milliCPU
			rest.mebi -= used.mebi
		}
	}
	w.resourcesOfMain(size, rest)
	if storage, ok := w.storageQuantity("containers[" + w.main.name + "].resources.limits.ephemeral-storage"); ok {
		setResource(&w.main.spec.Resources.Limits, corev1.ResourceEphemeralStorage, storage)
		setResource(&w.main.spec.Resources.Requests, corev1.ResourceEphemeralStorage, storage)
	}
	for _, ctr := range w.containers {
		w.convertGPUs(ctr)
	}
}

// resourcesOf maps a container's own sizes and returns what it requests. least is
// what it requests where it states nothing and the pod has a size to share.
func (w *workload) resourcesOf(ctr *container, least taskSize) taskSize {
	field := "containers[" + ctr.name + "].resources."
	used := least
	list := &ctr.spec.Resources
	if cpu := parseCPU(ctr.node.Get("cpu")); cpu > 0 && !w.book.Claimed(ctr.node.Get("cpu")) {
		used.milliCPU = cpu
		w.approximated(ctr.node.Get("cpu"), w.podField(field+"requests.cpu"), "")
	} else {
		w.ignore(ctr.node.Get("cpu"), "0 is unset.")
	}
	setResource(&list.Requests, corev1.ResourceCPU, milliCPU(used.milliCPU))

	memory, reservation := parseMemory(ctr.node.Get("memory")), parseMemory(ctr.node.Get("memoryReservation"))
	if memory > 0 {
		setResource(&list.Limits, corev1.ResourceMemory, mebibytes(memory))
		w.mapped(ctr.node.Get("memory"), w.podField(field+"limits.memory"))
		used.mebi = memory
	} else {
		w.ignore(ctr.node.Get("memory"), "Not a size, or 0: unset.")
	}
	switch {
	case reservation > 0 && (memory == 0 || reservation <= memory):
		used.mebi = reservation
		w.mapped(ctr.node.Get("memoryReservation"), w.podField(field+"requests.memory"))
	case reservation > 0:
		w.approximated(ctr.node.Get("memoryReservation"), w.podField(field+"requests.memory"), "More than the limit, which Kubernetes refuses: cut to the limit.")
	default:
		w.ignore(ctr.node.Get("memoryReservation"), "Not a size, or 0: unset.")
	}
	setResource(&list.Requests, corev1.ResourceMemory, mebibytes(used.mebi))
	return used
}

// resourcesOfMain gives the main container its own sizes, or else what the task's
// size leaves it, and the task's size as its limit.
func (w *workload) resourcesOfMain(size, rest taskSize) {
	least := taskSize{milliCPU: max(rest.milliCPU, sidecarMilliCPU), mebi: max(rest.mebi, sidecarMiB)}
	ctr := w.main
	if size.milliCPU > 0 && parseCPU(ctr.node.Get("cpu")) > 0 {
		// The sum of the requests stays the task's size, so that a target of
		// utilisation means what it meant.
		w.approximated(ctr.node.Get("cpu"), w.podField("containers["+ctr.name+"].resources.requests.cpu"), "Shares of the task: it requests what the sidecars leave of the task's CPU.")
	}
	w.resourcesOf(ctr, least)
	list := &ctr.spec.Resources
	if size.milliCPU > 0 {
		setResource(&list.Requests, corev1.ResourceCPU, milliCPU(least.milliCPU))
		setResource(&list.Limits, corev1.ResourceCPU, milliCPU(max(size.milliCPU, least.milliCPU)))
	}
	if _, limited := list.Limits[corev1.ResourceMemory]; !limited && size.mebi > 0 {
		setResource(&list.Limits, corev1.ResourceMemory, mebibytes(least.mebi))
		if reserved := list.Requests[corev1.ResourceMemory]; reserved.Cmp(mebibytes(least.mebi)) > 0 {
			setResource(&list.Requests, corev1.ResourceMemory, mebibytes(least.mebi))
		}
	}
}

func setResource(list *corev1.ResourceList, name corev1.ResourceName, quantity resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = quantity
}

// convertGPUs maps the GPUs a container asks for.
func (w *workload) convertGPUs(ctr *container) {
	for _, item := range ctr.node.Get("resourceRequirements").Items() {
		count, ok := item.Get("value").Int()
		if !strings.EqualFold(item.Get("type").Text(), "GPU") || !ok || count < 1 {
			w.person(item, ledger.StepWorkload, "Not a number of GPUs: Elastic Inference has ended, choose another accelerator.")
			continue
		}
		const gpu = corev1.ResourceName("nvidia.com/gpu")
		setResource(&ctr.spec.Resources.Limits, gpu, *resource.NewQuantity(int64(count), resource.DecimalSI))
		w.mapped(item, w.podField("containers["+ctr.name+"].resources.limits[nvidia.com/gpu]"))
	}
}
