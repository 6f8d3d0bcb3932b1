// Package forward reaches a port of a pod through the API server, as kubectl
// port-forward does, so that nothing has to be exposed to ask a service.
package forward

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"ragops.dev/ragservice/api/v1alpha1"
)

// queryPort is the name of the port of queries in the runtime's pods.
const queryPort = "http"

// Forward is a way to one pod.
type Forward struct {
	// Pod that it leads to.
	Pod string
	// URL of the query port, on this machine.
	URL string

	stop func()
	done chan error
}

// Close ends it and returns what went wrong with it.
func (f *Forward) Close() error {
	f.stop()
	return <-f.done
}

// Open leads to the query port of a ready pod of the service until it is closed or
// ctx ends.
func Open(ctx context.Context, config *rest.Config, service *v1alpha1.RAGService) (*Forward, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	pod, port, err := readyPod(ctx, clientset, service)
	if err != nil {
		return nil, err
	}
	dialer, err := dialerTo(config, clientset, pod)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	listening := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(ctx, dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", port)}, listening, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return nil, err
	}
	f := &Forward{Pod: pod.Name, stop: cancel, done: make(chan error, 1)}
	go func() { f.done <- forwarder.ForwardPorts() }()
	select {
	case <-listening:
	case err := <-f.done:
		cancel()
		if err == nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("forward a port to pod %s: %w", pod.Name, err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		f.Close()
		return nil, err
	}
	f.URL = fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local)
	return f, nil
}

// dialerTo speaks WebSocket to the API server, and SPDY where that is older or a proxy
// in between does not understand it.
func dialerTo(config *rest.Config, clientset *kubernetes.Clientset, pod *corev1.Pod) (httpstream.Dialer, error) {
	url := clientset.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	older := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	newer, err := portforward.NewSPDYOverWebsocketDialerForStreaming(url, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(newer, older, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

// readyPod is one that answers queries, and its query port. The newest comes last in
// turn: it has the coldest cache.
func readyPod(ctx context.Context, clientset kubernetes.Interface, service *v1alpha1.RAGService) (*corev1.Pod, int32, error) {
	if service.Status.Selector == "" {
		return nil, 0, fmt.Errorf("the operator has not looked at RAGService %s yet: does it run?", service.Name)
	}
	pods, err := clientset.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: service.Status.Selector})
	if err != nil {
		return nil, 0, fmt.Errorf("list the pods of RAGService %s: %w", service.Name, err)
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, pod := range pods.Items {
		if port := portOf(&pod); ready(&pod) && port != 0 {
			return &pod, port, nil
		}
	}
	return nil, 0, fmt.Errorf("no pod of RAGService %s is ready (%d exist): %s", service.Name, len(pods.Items), whyNot(service))
}

func ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func portOf(pod *corev1.Pod) int32 {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == queryPort {
				return p.ContainerPort
			}
		}
	}
	return 0
}

// whyNot is the operator's own word.
func whyNot(service *v1alpha1.RAGService) string {
	c := meta.FindStatusCondition(service.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return "the operator says nothing of it yet"
	}
	return c.Message
}
