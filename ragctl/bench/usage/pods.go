package usage

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Pods measures the running pods of a selector through metrics.k8s.io, which
// metrics-server serves.
type Pods struct {
	reader    client.Reader
	namespace string
	selector  labels.Selector
}

// NewPods measures the pods that match a label selector.
func NewPods(reader client.Reader, namespace, selector string) (*Pods, error) {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("%q is no label selector: %w", selector, err)
	}
	return &Pods{reader: reader, namespace: namespace, selector: parsed}, nil
}

// Interval follows metrics-server, whose own is 15 seconds by default.
func (p *Pods) Interval() time.Duration { return 5 * time.Second }

// podMetrics is what of a PodMetrics is read here.
type podMetrics struct {
	Containers []struct {
		Usage struct {
			CPU    resource.Quantity `json:"cpu"`
			Memory resource.Quantity `json:"memory"`
		} `json:"usage"`
	} `json:"containers"`
}

// Sample compares with the limits of the running pods, or with their requests
// where they have no limit. Pods that have no metrics yet count as using nothing.
func (p *Pods) Sample(ctx context.Context) (*Sample, error) {
	options := &client.ListOptions{Namespace: p.namespace, LabelSelector: p.selector}
	var pods corev1.PodList
	if err := p.reader.List(ctx, &pods, options); err != nil {
		return nil, fmt.Errorf("list the pods: %w", err)
	}
	var running []corev1.Pod
	for _, pod := range pods.Items {
		if pod.Status.Phase == corev1.PodRunning {
			running = append(running, pod)
		}
	}
	if len(running) == 0 {
		return nil, fmt.Errorf("no pod of namespace %s runs that matches %q", p.namespace, p.selector)
	}
	metrics := &unstructured.UnstructuredList{}
	metrics.SetGroupVersionKind(schema.GroupVersionKind{Group: "metrics.k8s.io", Version: "v1beta1", Kind: "PodMetricsList"})
	if err := p.reader.List(ctx, metrics, options); meta.IsNoMatchError(err) {
		return nil, errors.New("the cluster serves no metrics of pods: install metrics-server")
	} else if err != nil {
		return nil, fmt.Errorf("read the metrics of the pods: %w", err)
	}
	if len(metrics.Items) == 0 {
		return nil, nil
	}
	var sample Sample
	for _, item := range metrics.Items {
		var pod podMetrics
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &pod); err != nil {
			return nil, fmt.Errorf("read the metrics of pod %s: %w", item.GetName(), err)
		}
		for _, container := range pod.Containers {
			sample.Cores += container.Usage.CPU.AsApproximateFloat64()
			sample.MemoryBytes += container.Usage.Memory.Value()
		}
	}
	cpu, memory := limits(running, corev1.ResourceCPU), limits(running, corev1.ResourceMemory)
	sample.CoresLimit, sample.MemoryLimitBytes = cpu.AsApproximateFloat64(), memory.Value()
	return &sample, nil
}

// limits adds up what the containers may use; 0 where one of them has neither
// limit nor request, since then there is no bound.
func limits(pods []corev1.Pod, name corev1.ResourceName) resource.Quantity {
	var sum resource.Quantity
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			limit, found := container.Resources.Limits[name]
			if !found {
				limit, found = container.Resources.Requests[name]
			}
			if !found {
				return resource.Quantity{}
			}
			sum.Add(limit)
		}
	}
	return sum
}
