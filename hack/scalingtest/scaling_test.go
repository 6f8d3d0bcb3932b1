package scalingtest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
	"sigs.k8s.io/prometheus-adapter/pkg/client"
	adapterconfig "sigs.k8s.io/prometheus-adapter/pkg/config"
	adapter "sigs.k8s.io/prometheus-adapter/pkg/custom-provider"
	"sigs.k8s.io/prometheus-adapter/pkg/naming"

	"ragops.dev/ragservice/controllers/render"
)

// TestSources lets two replicas work on questions, and compares what
// prometheus-adapter says of each, and what KEDA would see of both, with what was
// asked.
func TestSources(t *testing.T) {
	binary, slow := build(t), slowStore(t)
	first, second := startPod(t, binary, "support-0", slow), startPod(t, binary, "support-1", slow)
	prometheus := startPrometheus(t, first, second)
	metrics := startAdapter(t, prometheus, first.name, second.name)
	keda := kedaQueries(t)

	waitFirst, waitSecond := first.ask(t, 3), second.ask(t, 1)
	eventually(t, func(ctx context.Context) error {
		return metrics.expect(ctx, "rag_queries_in_flight", map[string]string{"support-0": "3", "support-1": "1"})
	})
	eventually(t, func(ctx context.Context) error {
		return expectValue(ctx, prometheus, keda["queriesInFlight"], func(v float64) bool { return v == 4 })
	})

	slow.open()
	waitFirst()
	waitSecond()
	eventually(t, func(ctx context.Context) error {
		return metrics.expect(ctx, "rag_queries_in_flight", map[string]string{"support-0": "0", "support-1": "0"})
	})
	eventually(t, func(ctx context.Context) error {
		return expectValue(ctx, prometheus, keda["queriesPerSecond"], func(v float64) bool { return v > 0 })
	})
	for _, metric := range []string{"rag_queries_per_second", "rag_p95_latency_seconds"} {
		eventually(t, func(ctx context.Context) error {
			values, err := metrics.values(ctx, metric)
			if err != nil {
				return err
			}
			if len(values) != 2 || values["support-0"] == "0" {
				return fmt.Errorf("%s is %v, want a figure of each pod", metric, values)
			}
			return nil
		})
	}
}

// pods answers for the custom metrics API as prometheus-adapter does: it is its own
// code, which reads the rules that are shipped.
type pods struct{ provider.CustomMetricsProvider }

func startAdapter(t *testing.T, prometheus string, names ...string) pods {
	t.Helper()
	rules, err := adapterconfig.FromFile(filepath.Join(root, "config", "prometheus-adapter", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion})
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	namers, err := naming.NamersFromConfig(rules.Rules, mapper)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(prometheus)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var objects []runtime.Object
	for _, name := range names {
		pod := &unstructured.Unstructured{}
		pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
		pod.SetNamespace("rag")
		pod.SetName(name)
		pod.SetLabels(map[string]string{"app.kubernetes.io/instance": "support"})
		objects = append(objects, pod)
	}
	metrics, lister := adapter.NewPrometheusProvider(mapper, dynamicfake.NewSimpleDynamicClient(scheme, objects...),
		client.NewClient(http.DefaultClient, address, nil, http.MethodGet), namers, time.Second, time.Minute)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	lister.RunUntil(stop)
	return pods{metrics}
}

// values are what a HorizontalPodAutoscaler would be told of each pod.
func (p pods) values(ctx context.Context, metric string) (map[string]string, error) {
	info := provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: metric}
	// Without a deadline, as the adapter's server calls it: with one it asks Prometheus
	// for a negative timeout.
	list, err := p.GetMetricBySelector(context.WithoutCancel(ctx), "rag", labels.SelectorFromSet(labels.Set{"app.kubernetes.io/instance": "support"}), info, labels.Everything())
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, item := range list.Items {
		values[item.DescribedObject.Name] = item.Value.String()
	}
	return values, nil
}

func (p pods) expect(ctx context.Context, metric string, want map[string]string) error {
	got, err := p.values(ctx, metric)
	if err == nil && !maps.Equal(got, want) {
		err = fmt.Errorf("%s is %v, want %v", metric, got, want)
	}
	return err
}

// kedaQueries are those that the operator gives KEDA for the sample, by what they
// measure: its first two triggers are of the pods.
func kedaQueries(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "config", "samples", "keda.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	service, err := render.Admit(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	service.Namespace = "rag"
	children, err := render.Children(service, render.Options{RuntimeImage: "runtime"})
	if err != nil {
		t.Fatal(err)
	}
	for _, child := range children {
		if child.GetKind() != "ScaledObject" {
			continue
		}
		triggers, _, err := unstructured.NestedSlice(child.Object, "spec", "triggers")
		if err != nil || len(triggers) != 4 {
			t.Fatalf("the ScaledObject has the triggers %v, want four (%v)", triggers, err)
		}
		query := func(i int) string {
			text, _, err := unstructured.NestedString(triggers[i].(map[string]any), "metadata", "query")
			if err != nil || text == "" {
				t.Fatalf("trigger %d has no query: %v", i, triggers[i])
			}
			return text
		}
		return map[string]string{"queriesPerSecond": query(0), "queriesInFlight": query(1)}
	}
	t.Fatal("the sample gets no ScaledObject")
	return nil
}

func expectValue(ctx context.Context, prometheus, query string, good func(float64) bool) error {
	got, err := evaluate(ctx, prometheus, query)
	if err == nil && !good(got) {
		err = fmt.Errorf("%s is %v", query, got)
	}
	return err
}
