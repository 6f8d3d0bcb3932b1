// Package dump prints the state of a cluster for someone who was not there when
// something failed. It goes on where a part of it cannot be had, and shows no
// Secret.
package dump

import (
	"context"
	"fmt"
	"io"
	"strings"

	"ragops.dev/ragservice/hack/cluster/internal/kubectl"
)

// sections are what is printed of the objects, in order.
var sections = []struct {
	title string
	args  []string
}{
	{"nodes", []string{"get", "nodes", "--output=wide"}},
	{"RAGServices", []string{"get", "ragservices", "--all-namespaces", "--output=yaml"}},
	{"workloads", []string{"get", "deployments,statefulsets,replicasets,horizontalpodautoscalers,poddisruptionbudgets,services,endpointslices", "--all-namespaces", "--output=wide"}},
	{"pods", []string{"get", "pods", "--all-namespaces", "--output=wide"}},
	{"pods in detail", []string{"describe", "pods", "--all-namespaces"}},
	{"API services that are not local", []string{"get", "apiservices", "--selector=!kube-aggregator.kubernetes.io/automanaged"}},
	{"events", []string{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"}},
}

// Objects prints the objects, the events and the logs of all containers.
func Objects(ctx context.Context, k kubectl.Kubectl, w io.Writer) {
	for _, section := range sections {
		Section(w, section.title)
		output, err := k.Get(ctx, section.args...)
		show(w, output, err)
	}
	const perLine = `{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}`
	pods, err := k.Get(ctx, "get", "pods", "--all-namespaces", "--output=jsonpath="+perLine)
	if err != nil {
		show(w, pods, err)
		return
	}
	for line := range strings.Lines(pods) {
		namespace, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		logs := []string{"logs", "--namespace", namespace, name, "--all-containers", "--prefix", "--tail=200"}
		Section(w, "log of "+namespace+"/"+name)
		output, err := k.Get(ctx, logs...)
		show(w, output, err)
		// Most pods have no container before this one.
		if output, err := k.Get(ctx, append(logs, "--previous")...); err == nil {
			Section(w, "log of "+namespace+"/"+name+" before it was started again")
			show(w, output, nil)
		}
	}
}

// Section prints a heading.
func Section(w io.Writer, title string) {
	fmt.Fprintf(w, "\n======== %s\n", title)
}

func show(w io.Writer, output string, err error) {
	fmt.Fprint(w, output)
	if err != nil {
		fmt.Fprintf(w, "(%v)\n", err)
	}
}
