package ecs

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// place is where in a pod a container goes.
type place int

const (
	beside  place = iota // with the others, all at once
	sidecar              // started before the others, and running as long as they do
	before               // run to its end before the others start
)

// arrangeContainers puts the containers into the pod so that they start in the
// order that dependsOn asks for.
func (w *workload) arrangeContainers(pod *corev1.PodSpec) {
	places := w.places()
	for _, ctr := range w.startOrder() {
		switch places[ctr] {
		case beside:
			pod.Containers = append(pod.Containers, ctr.spec)
		case sidecar:
			ctr.spec.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
			pod.InitContainers = append(pod.InitContainers, ctr.spec)
		case before:
			ctr.spec.LivenessProbe, ctr.spec.ReadinessProbe, ctr.spec.StartupProbe = nil, nil, nil
			pod.InitContainers = append(pod.InitContainers, ctr.spec)
		}
		w.claimEssential(ctr, places[ctr])
	}
}

// places decides from dependsOn where each container goes, and claims it.
func (w *workload) places() map[*container]place {
	places := map[*container]place{}
	for _, ctr := range w.containers {
		for _, dependency := range ctr.node.Get("dependsOn").Items() {
			other := w.containerNamed(dependency.Get("containerName").Text())
			if other == nil || other == ctr || other == w.main || w.reaches(other, ctr) {
				w.person(dependency, ledger.StepWorkload, "Depends on a container that is not there, on itself in a circle, or on the one that answers: all start together.")
				continue
			}
			condition := strings.ToUpper(dependency.Get("condition").Text())
			switch condition {
			case "SUCCESS":
				places[other] = before
				w.mapped(dependency, w.podField("initContainers["+other.name+"]"))
			case "COMPLETE":
				places[other] = before
				w.ignoreExitCode(other)
				w.approximated(dependency, w.podField("initContainers["+other.name+"]"), "")
			case "HEALTHY", "START":
				if places[other] != before {
					places[other] = sidecar
				}
				w.mapped(dependency, w.podField("initContainers["+other.name+"] restartPolicy Always"))
			default:
				w.person(dependency, ledger.StepWorkload, "A condition that ECS does not have: wanted START, HEALTHY, SUCCESS or COMPLETE. All start together.")
			}
		}
	}
	return places
}

// reaches reports whether from depends on to, itself or through others.
func (w *workload) reaches(from, to *container) bool {
	seen := map[*container]bool{}
	var visit func(*container) bool
	visit = func(ctr *container) bool {
		if ctr == nil || seen[ctr] {
			return false
		}
		seen[ctr] = true
		return ctr == to || slices.ContainsFunc(w.dependenciesOf(ctr), visit)
	}
	return slices.ContainsFunc(w.dependenciesOf(from), visit)
}

func (w *workload) dependenciesOf(ctr *container) []*container {
	var others []*container
	for _, dependency := range ctr.node.Get("dependsOn").Items() {
		if other := w.containerNamed(dependency.Get("containerName").Text()); other != nil && other != ctr {
			others = append(others, other)
		}
	}
	return others
}

// startOrder lists the containers so that each comes after what it depends on, and
// otherwise as they were given.
func (w *workload) startOrder() []*container {
	var ordered []*container
	seen := map[*container]bool{}
	var visit func(*container)
	visit = func(ctr *container) {
		if seen[ctr] {
			return
		}
		seen[ctr] = true
		for _, other := range w.dependenciesOf(ctr) {
			visit(other)
		}
		ordered = append(ordered, ctr)
	}
	for _, ctr := range w.containers {
		visit(ctr)
	}
	return ordered
}

// ignoreExitCode wraps a container's command so that the pod goes on whatever its
// exit code. It takes a command that is known, and a shell in the image.
func (w *workload) ignoreExitCode(ctr *container) {
	if len(ctr.spec.Command) == 0 || slices.Contains(ctr.spec.Command, "ragctl-ignore-exit") {
		if len(ctr.spec.Command) == 0 {
			w.task(ledger.Task{
				Step:   ledger.StepWorkload,
				Title:  "Let the init container " + ctr.name + " of " + w.name + " end with code 0",
				Detail: "ECS went on whatever its exit code (COMPLETE). Its entry point is the image's own, so it could not be wrapped here.",
			})
		}
		return
	}
	words := append(slices.Clone(ctr.spec.Command), ctr.spec.Args...)
	ctr.spec.Command = []string{"/bin/sh", "-c", `"$@"; exit 0`, "ragctl-ignore-exit"}
	ctr.spec.Args = words
}

func (w *workload) claimEssential(ctr *container, at place) {
	essential := ctr.node.Get("essential")
	switch {
	case at == before:
		w.approximated(essential, w.podField("initContainers["+ctr.name+"]"), "The pod starts again from here when it fails.")
	case ctr.isEssential() && len(w.containers) == 1:
		w.mapped(essential, w.podField("containers["+ctr.name+"]"))
	case ctr.isEssential():
		w.approximated(essential, w.podField("containers["+ctr.name+"]"), "")
	default:
		w.approximated(essential, w.podField("containers["+ctr.name+"]"), "ECS leaves a container that is not essential ended; the kubelet starts it again.")
	}
}
