package e2e

import (
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/hack/perf/scaling"
)

// recorded is every number of replicas that the Deployments of a namespace had, and
// the most CPU that their autoscalers saw in use.
type recorded struct {
	mu       sync.Mutex
	replicas map[string][]moment
	percent  map[string]int32
}

type moment struct {
	at            time.Time
	wanted, ready int32
}

// recordScaling watches until the test ends.
func recordScaling(t *testing.T, namespace string) *recorded {
	t.Helper()
	watcher, err := client.NewWithWatch(cluster.config, client.Options{Scheme: cluster.client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{replicas: map[string][]moment{}, percent: map[string]int32{}}
	for _, list := range []client.ObjectList{&appsv1.DeploymentList{}, &autoscalingv2.HorizontalPodAutoscalerList{}} {
		w, err := watcher.Watch(t.Context(), list, client.InNamespace(namespace))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
		go func() {
			for event := range w.ResultChan() {
				if event.Type != watch.Deleted {
					r.take(event.Object)
				}
			}
		}()
	}
	return r
}

func (r *recorded) take(object any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o := object.(type) {
	case *appsv1.Deployment:
		now := moment{at: time.Now(), wanted: *o.Spec.Replicas, ready: o.Status.ReadyReplicas}
		all := r.replicas[o.Name]
		if last := len(all) - 1; last < 0 || all[last].wanted != now.wanted || all[last].ready != now.ready {
			r.replicas[o.Name] = append(all, now)
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		for _, metric := range o.Status.CurrentMetrics {
			if metric.Resource != nil && metric.Resource.Name == corev1.ResourceCPU && metric.Resource.Current.AverageUtilization != nil {
				r.percent[o.Name] = max(r.percent[o.Name], *metric.Resource.Current.AverageUtilization)
			}
		}
	}
}

// cpu is the most percent of the request that was seen.
func (r *recorded) cpu(name string) int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.percent[name]
}

// wanted are the numbers of replicas that were asked for, one after the other.
func (r *recorded) wanted(name string) []int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []int32
	for _, m := range r.replicas[name] {
		all = append(all, m.wanted)
	}
	return slices.Compact(all)
}

// run is what was recorded of a service since the load began, together with what
// its callers say.
func (r *recorded) run(name string, began time.Time, callers *told) scaling.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	run := scaling.Run{Answered: len(callers.Answered), Failed: callers.Failed, CPUPercent: r.percent[name]}
	for _, m := range r.replicas[name] {
		entry := scaling.Replicas{Seconds: m.at.Sub(began).Round(100 * time.Millisecond).Seconds(), Wanted: m.wanted, Ready: m.ready}
		if len(run.Replicas) == 1 && entry.Seconds <= 0 {
			run.Replicas = nil // only the last one from before the load matters
		}
		run.Replicas = append(run.Replicas, entry)
	}
	var answers []scaling.Answer
	for _, a := range callers.Answered {
		at := callers.Began.Add(time.Duration(a[0]) * time.Millisecond).Sub(began)
		answers = append(answers, scaling.Answer{At: at, Took: time.Duration(a[1]) * time.Millisecond})
	}
	run.Latency = scaling.Intervals(answers)
	return run
}
