package metricsapi

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/podstatus"
	"ragops.dev/ragservice/runtime/config"
)

// answers is a sampler whose pods answer with these loads; a pod that is not in
// it does not answer.
type answers map[types.UID]config.LoadStatus

func (a answers) Sample(_ context.Context, targets []podstatus.Target) map[types.UID]podstatus.Sample {
	samples := map[types.UID]podstatus.Sample{}
	for _, target := range targets {
		sample := podstatus.Sample{Taken: time.Unix(100, 0), Err: errors.New("no answer")}
		if load, ok := a[target.UID]; ok {
			sample.Status, sample.Err = &config.Status{Load: load}, nil
		}
		samples[target.UID] = sample
	}
	return samples
}

func runtimePod(name string, change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "rag", Name: name, UID: types.UID(name), Labels: map[string]string{"app": "support"}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "198.18.0.9"},
	}
	if change != nil {
		change(pod)
	}
	return pod
}

func TestMetrics(t *testing.T) {
	reader := fake.NewClientBuilder().WithObjects(
		runtimePod("busy", nil),
		runtimePod("idle", nil),
		runtimePod("silent", nil),
		runtimePod("pending", func(p *corev1.Pod) { p.Status = corev1.PodStatus{Phase: corev1.PodPending} }),
		runtimePod("other", func(p *corev1.Pod) { p.Labels["app"] = "other" }),
		runtimePod("ending", func(p *corev1.Pod) {
			p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: time.Unix(100, 0)}, []string{"test/keep"}
		}),
	).Build()
	metrics := &podMetrics{reader: reader, sampler: answers{
		"busy":    {QueriesPerSecond: 12.3456, QueriesInFlight: 64, P95Seconds: 1.5, WindowSeconds: 60},
		"idle":    {WindowSeconds: 12.9},
		"pending": {QueriesPerSecond: 1}, "other": {QueriesPerSecond: 1}, "ending": {QueriesPerSecond: 1},
	}}

	tests := []struct {
		metric     string
		want       map[string]string
		wantWindow int64
	}{
		{metric: build.MetricQueriesPerSecond, want: map[string]string{"busy": "12345m", "idle": "0"}, wantWindow: 60},
		{metric: build.MetricQueriesInFlight, want: map[string]string{"busy": "64", "idle": "0"}},
		{metric: metricP95Latency, want: map[string]string{"busy": "1500m", "idle": "0"}, wantWindow: 60},
	}
	for _, tt := range tests {
		t.Run(tt.metric, func(t *testing.T) {
			info := provider.CustomMetricInfo{GroupResource: pods, Namespaced: true, Metric: tt.metric}
			list, err := metrics.GetMetricBySelector(t.Context(), "rag", labels.SelectorFromSet(labels.Set{"app": "support"}), info, labels.Everything())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, value := range list.Items {
				got[value.DescribedObject.Name] = value.Value.String()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			value, err := metrics.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "rag", Name: "busy"}, info, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := value.Value.String(); got != tt.want["busy"] {
				t.Errorf("by name: got %s, want %s", got, tt.want["busy"])
			}
			if value.WindowSeconds == nil || *value.WindowSeconds != tt.wantWindow || value.Timestamp.Unix() != 100 {
				t.Errorf("by name: window %v at %s, want %d s at the time of the sample", value.WindowSeconds, value.Timestamp, tt.wantWindow)
			}
		})
	}
}

func TestMetricsThatAreNotServed(t *testing.T) {
	metrics := &podMetrics{reader: fake.NewClientBuilder().WithObjects(runtimePod("silent", nil)).Build(), sampler: answers{}}
	perSecond := provider.CustomMetricInfo{GroupResource: pods, Namespaced: true, Metric: build.MetricQueriesPerSecond}
	unknown, deployments, cluster := perSecond, perSecond, perSecond
	unknown.Metric = "rag_unknown"
	deployments.GroupResource = schema.GroupResource{Group: "apps", Resource: "deployments"}
	cluster.Namespaced = false

	tests := []struct {
		name     string
		pod      string
		info     provider.CustomMetricInfo
		selector labels.Selector
	}{
		{name: "a pod that does not answer", pod: "silent", info: perSecond},
		{name: "no such pod", pod: "none", info: perSecond},
		{name: "unknown metric", pod: "silent", info: unknown},
		{name: "another resource", pod: "silent", info: deployments},
		{name: "not namespaced", pod: "silent", info: cluster},
		{name: "a selector on the metric's labels", pod: "silent", info: perSecond, selector: labels.SelectorFromSet(labels.Set{"a": "b"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := metrics.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "rag", Name: tt.pod}, tt.info, tt.selector)
			if !apierrors.IsNotFound(err) {
				t.Errorf("got %v, want not found", err)
			}
		})
	}
}

// TestEveryListedMetricIsServed holds discovery to what is answered.
func TestEveryListedMetricIsServed(t *testing.T) {
	metrics := &podMetrics{reader: fake.NewClientBuilder().Build(), sampler: answers{}}
	all := metrics.ListAllMetrics()
	if len(all) != len(figures) {
		t.Errorf("%d metrics are listed and %d served", len(all), len(figures))
	}
	for _, info := range all {
		if _, err := metrics.GetMetricBySelector(t.Context(), "rag", labels.Everything(), info, nil); err != nil {
			t.Errorf("%s: %v", info.Metric, err)
		}
	}
}
