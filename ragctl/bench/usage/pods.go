package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Pods measures the running pods of a selector through metrics.k8s.io, which
// metrics-server serves.
type Pods struct {
	client              kubernetes.Interface
	namespace, selector string
	// metrics reads the metrics of the pods.
	metrics func(ctx context.Context) ([]byte, error)
}

// NewPods measures the pods that match a label selector.
func NewPods(client kubernetes.Interface, namespace, selector string) *Pods {
	p := &Pods{client: client, namespace: namespace, selector: selector}
	p.metrics = func(ctx context.Context) ([]byte, error) {
		return client.CoreV1().RESTClient().Get().
			AbsPath("apis/metrics.k8s.io/v1beta1/namespaces", namespace, "pods").
			Param("labelSelector", selector).DoRaw(ctx)
	}
	return p
}

// Interval follows metrics-server, whose own is 15 seconds by default.
func (p *Pods) Interval() time.Duration { return 5 * time.Second }

// podMetrics is what of a PodMetricsList is read here.
type podMetrics struct {
	Items []struct {
		Containers []struct{ Usage corev1.ResourceList }
	}
}

// Sample compares with the limits of the running pods, or with their requests
// where they have no limit. Pods that have no metrics yet count as using nothing.
func (p *Pods) Sample(ctx context.Context) (*Sample, error) {
	pods, err := p.client.CoreV1().Pods(p.namespace).List(ctx, metav1.ListOptions{
		LabelSelector: p.selector, FieldSelector: "status.phase=Running",
	})
	if err != nil {
		return nil, fmt.Errorf("list the pods: %w", err)
	}
	if len(pods.Items) == 0 {
		return nil, fmt.Errorf("no pod of namespace %s runs that matches %q", p.namespace, p.selector)
	}
	data, err := p.metrics(ctx)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the cluster serves no metrics of pods: install metrics-server")
	}
	if err != nil {
		return nil, fmt.Errorf("read the metrics of the pods: %w", err)
	}
	var list podMetrics
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read the metrics of the pods: %w", err)
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	var sample Sample
	for _, item := range list.Items {
		for _, container := range item.Containers {
			sample.Cores += container.Usage.Cpu().AsApproximateFloat64()
			sample.MemoryBytes += container.Usage.Memory().Value()
		}
	}
	cpu, memory := limits(pods.Items, corev1.ResourceCPU), limits(pods.Items, corev1.ResourceMemory)
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
