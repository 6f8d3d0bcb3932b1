// Package metricsapi serves the custom metrics API (custom.metrics.k8s.io) from
// within the operator, so that a HorizontalPodAutoscaler scales a RAGService on
// queries with nothing else installed. The figures are read on demand from the
// pods of the query runtime; nothing is stored, so every replica of the operator
// can answer. It may read pods and nothing else of the cluster.
package metricsapi

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/measure"
	"ragops.dev/ragservice/controllers/podstatus"
	"ragops.dev/ragservice/runtime/config"
)

// metricP95Latency is the 95th percentile of the last minute, in seconds. It is
// there to be looked at: a latency does not tell how many replicas it takes.
const metricP95Latency = "rag_p95_latency_seconds"

// figures takes each metric from what a pod reports.
var figures = map[string]figure{
	build.MetricQueriesPerSecond: {value: func(l config.LoadStatus) float64 { return l.QueriesPerSecond }},
	build.MetricQueriesInFlight:  {value: func(l config.LoadStatus) float64 { return float64(l.QueriesInFlight) }, instant: true},
	metricP95Latency:             {value: func(l config.LoadStatus) float64 { return l.P95Seconds }},
}

// figure is one metric.
type figure struct {
	value func(config.LoadStatus) float64
	// instant is of the moment, and not of the window that the pod reports.
	instant bool
}

// windowSeconds is 0 for an instant, as the API wants it.
func (f figure) windowSeconds(l config.LoadStatus) int64 {
	if f.instant {
		return 0
	}
	return int64(l.WindowSeconds)
}

var pods = schema.GroupResource{Resource: "pods"}

// sampler asks pods for their status; it is [podstatus.Sampler].
type sampler interface {
	Sample(ctx context.Context, targets []podstatus.Target) map[types.UID]podstatus.Sample
}

// podMetrics answers questions about pods by asking the pods.
type podMetrics struct {
	// reader knows the pods of query runtimes and no others.
	reader  client.Reader
	sampler sampler
}

var _ provider.CustomMetricsProvider = (*podMetrics)(nil)

// ListAllMetrics implements [provider.CustomMetricsProvider].
func (p *podMetrics) ListAllMetrics() []provider.CustomMetricInfo {
	var all []provider.CustomMetricInfo
	for _, name := range []string{build.MetricQueriesInFlight, build.MetricQueriesPerSecond, metricP95Latency} {
		all = append(all, provider.CustomMetricInfo{GroupResource: pods, Namespaced: true, Metric: name})
	}
	return all
}

// GetMetricByName implements [provider.CustomMetricsProvider].
func (p *podMetrics) GetMetricByName(ctx context.Context, name types.NamespacedName, info provider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValue, error) {
	f, err := figureOf(info, selector)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{}
	if err := p.reader.Get(ctx, name, pod); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, name.Name)
		}
		return nil, err
	}
	values := p.values(ctx, []corev1.Pod{*pod}, info.Metric, f)
	if len(values) == 0 {
		return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, name.Name)
	}
	return &values[0], nil
}

// GetMetricBySelector implements [provider.CustomMetricsProvider]. A pod that does
// not answer is left out: the HorizontalPodAutoscaler then counts it as idle
// when it would scale out and as fully loaded when it would scale in, so that
// silence never moves replicas.
func (p *podMetrics) GetMetricBySelector(ctx context.Context, namespace string, podSelector labels.Selector, info provider.CustomMetricInfo, selector labels.Selector) (*custom_metrics.MetricValueList, error) {
	f, err := figureOf(info, selector)
	if err != nil {
		return nil, err
	}
	var list corev1.PodList
	if err := p.reader.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: podSelector}); err != nil {
		return nil, err
	}
	return &custom_metrics.MetricValueList{Items: p.values(ctx, list.Items, info.Metric, f)}, nil
}

// figureOf refuses what is not served: other metrics, other resources, and
// selectors on a metric's own labels, of which these have none.
func figureOf(info provider.CustomMetricInfo, selector labels.Selector) (figure, error) {
	f, known := figures[info.Metric]
	if !known || info.GroupResource != pods || !info.Namespaced || (selector != nil && !selector.Empty()) {
		return figure{}, provider.NewMetricNotFoundError(info.GroupResource, info.Metric)
	}
	return f, nil
}

func (p *podMetrics) values(ctx context.Context, list []corev1.Pod, metric string, f figure) []custom_metrics.MetricValue {
	var targets []podstatus.Target
	for i := range list {
		if target, ok := measure.Target(&list[i]); ok {
			targets = append(targets, target)
		}
	}
	samples := p.sampler.Sample(ctx, targets)

	values := make([]custom_metrics.MetricValue, 0, len(targets))
	for i := range list {
		sample, asked := samples[list[i].UID]
		if !asked || sample.Err != nil {
			continue
		}
		load := sample.Status.Load
		values = append(values, custom_metrics.MetricValue{
			DescribedObject: custom_metrics.ObjectReference{Kind: "Pod", APIVersion: "v1", Namespace: list[i].Namespace, Name: list[i].Name, UID: list[i].UID},
			Metric:          custom_metrics.MetricIdentifier{Name: metric},
			Timestamp:       metav1.NewTime(sample.Taken),
			WindowSeconds:   new(f.windowSeconds(load)),
			Value:           *resource.NewMilliQuantity(int64(f.value(load)*1000), resource.DecimalSI),
		})
	}
	return values
}
