// Package measure samples the running pods of every service now and then, all side
// by side and outside of any reconcile, keeps the newest result in memory and sets
// off a reconcile only where the result says something new. It writes nothing.
package measure

import (
	"context"
	"net"
	"reflect"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/podstatus"
	"ragops.dev/ragservice/runtime/config"
)

// Sampler asks pods; it is [podstatus.Sampler].
type Sampler interface {
	Sample(ctx context.Context, targets []podstatus.Target) map[types.UID]podstatus.Sample
}

var _ Sampler = (*podstatus.Sampler)(nil)

// Monitor measures. Make one with [New].
type Monitor struct {
	pods     client.Reader
	sampler  Sampler
	interval time.Duration

	mu       sync.RWMutex
	measured map[types.NamespacedName]decide.Measured
}

// New makes a monitor that looks at the pods in the reader every interval.
func New(pods client.Reader, sampler Sampler, interval time.Duration) *Monitor {
	return &Monitor{pods: pods, sampler: sampler, interval: interval, measured: map[types.NamespacedName]decide.Measured{}}
}

// Measured is the newest measurement of a service; nil where there is none.
func (m *Monitor) Measured(service types.NamespacedName) *decide.Measured {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if measured, ok := m.measured[service]; ok {
		return &measured
	}
	return nil
}

// Source enqueues the services whose measurement changed.
func (m *Monitor) Source() source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			ticker := time.NewTicker(m.interval)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
					for _, service := range m.round(ctx) {
						queue.Add(reconcile.Request{NamespacedName: service})
					}
				}
			}
		}()
		return nil
	})
}

// round measures every service once and returns those with something new to tell.
func (m *Monitor) round(ctx context.Context) []types.NamespacedName {
	pods := &corev1.PodList{}
	if err := m.pods.List(ctx, pods, client.MatchingLabels{build.LabelComponent: build.ComponentRuntime}); err != nil {
		log.FromContext(ctx).Error(err, "Cannot list the pods to measure; trying again")
		return nil
	}
	var targets []podstatus.Target
	services := map[types.NamespacedName][]types.UID{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if target, ok := Target(pod); ok {
			service := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[build.LabelInstance]}
			services[service] = append(services[service], target.UID)
			targets = append(targets, target)
		}
	}
	samples := m.sampler.Sample(ctx, targets)
	fresh := make(map[types.NamespacedName]decide.Measured, len(services))
	for service, uids := range services {
		fresh[service] = merge(uids, samples)
	}
	return m.replace(fresh)
}

// Target is where to ask a pod; one that does not run has none.
func Target(pod *corev1.Pod) (podstatus.Target, bool) {
	if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" || pod.DeletionTimestamp != nil {
		return podstatus.Target{}, false
	}
	return podstatus.Target{UID: pod.UID, Address: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(build.AdminPort))}, true
}

// Trim keeps of a pod that enters the cache what it takes to ask it.
func Trim(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil // a tombstone of the cache
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
			Labels: pod.Labels, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Status: corev1.PodStatus{Phase: pod.Status.Phase, PodIP: pod.Status.PodIP},
	}, nil
}

func (m *Monitor) replace(fresh map[types.NamespacedName]decide.Measured) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var changed []types.NamespacedName
	for service, measured := range fresh {
		if before, ok := m.measured[service]; !ok || !reflect.DeepEqual(before, measured) {
			changed = append(changed, service)
		}
	}
	for service := range m.measured {
		if _, ok := fresh[service]; !ok {
			changed = append(changed, service)
		}
	}
	m.measured = fresh
	return changed
}

// merge sums up what the pods of one service say.
func merge(uids []types.UID, samples map[types.UID]podstatus.Sample) decide.Measured {
	var measured decide.Measured
	var loads []config.LoadStatus
	dependencies := dependencies{}
	for i, uid := range uids {
		sample := samples[uid]
		if sample.Err != nil || sample.Status == nil {
			measured.Silent++
			continue
		}
		measured.Pods++
		loads = append(loads, sample.Status.Load)
		dependencies.add(sample.Status.Dependencies)
		if sample.Status.Embedding.Mismatch {
			measured.Mismatch = &decide.Mismatch{Configured: sample.Status.Embedding.Configured, Observed: sample.Status.Embedding.Dimensions}
		}
		if hash := sample.Status.ConfigHash; i == 0 || measured.ConfigHash == hash {
			measured.ConfigHash = hash
		} else {
			measured.ConfigHash = ""
		}
	}
	load := config.MergeLoads(loads...)
	load.Latencies, load.WindowSeconds = nil, 0 // what is shown is rounded; these would tell every tick apart
	measured.Load = decide.Round(load)
	measured.Dependencies = dependencies.sorted()
	return measured
}
