package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

const (
	faultsNamespace = "e2e-scaling-faults"
	faultsService   = "puppets"
	// metricsAPI is the Service by which the API server reaches the operator's
	// custom metrics API.
	metricsAPI = "ragservice-operator-metrics-api"
)

// TestScalingFaults has the real autoscaler look at pods that report what the test
// says, or nothing at all, with a target of ten queries in flight for each. What
// must never happen is a number of replicas that the load does not explain, so
// every number that the Deployment ever had is compared at the end.
//
// The autoscaler counts a pod without a figure as idle before it scales out, and
// as loaded to its target before it scales in. So the figures of those that answer
// are chosen such that to leave the others out would scale, and to report them
// as 0 would scale further.
func TestScalingFaults(t *testing.T) {
	newNamespace(t, faultsNamespace)
	create(t, documents(faultsNamespace, faultsService))
	service := embedded(faultsNamespace, faultsService)
	service.Spec.Workload.Image = "ragservice-puppet:dev"
	rules := scaleInSoon()
	rules.StabilizationWindowSeconds = new(int32(0)) // what the figures say happens at once
	service.Spec.Scaling = v1alpha1.Scaling{
		MinReplicas: 1, MaxReplicas: 8,
		Targets:  &v1alpha1.ScalingTargets{QueriesInFlight: new(int32(inFlight))},
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: rules},
	}
	create(t, service)
	record := recordScaling(t, faultsNamespace)
	p := &puppets{}

	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"no pod answers from the start", func(t *testing.T) {
			p.await(t, 1)
			seesNothing(t, "no metrics returned")
		}},
		{"the load of one pod scales out", func(t *testing.T) {
			p.report(t, 30, 0)
			p.await(t, 3)
			p.report(t, 10, 0, 1, 2)
			sees(t, "10", 3)
		}},
		{"one pod is silent and the others have little to do", func(t *testing.T) {
			p.silence(t, 0)
			p.report(t, 8, 1, 2)
			sees(t, "8", 3)
		}},
		{"one pod is silent and the others have too much to do", func(t *testing.T) {
			p.report(t, 13, 1, 2)
			sees(t, "13", 3)
		}},
		{"it answers again, and the service scales out", func(t *testing.T) {
			p.report(t, 13, 0)
			p.await(t, 4)
			p.report(t, 10, 0, 1, 2, 3)
			sees(t, "10", 4)
		}},
		{"half of the pods are silent", func(t *testing.T) {
			p.silence(t, 0, 1)
			p.report(t, 6, 2, 3)
			sees(t, "6", 4)
		}},
		{"all of them are", func(t *testing.T) {
			p.silence(t, 2, 3)
			seesNothing(t, "no metrics returned")
		}},
		{"the metrics API is gone", func(t *testing.T) {
			p.report(t, 10, 0, 1, 2, 3)
			sees(t, "10", 4)
			withoutMetricsAPI(t, func() { seesNothing(t, "unable to fetch metrics from custom metrics API") })
			sees(t, "10", 4)
		}},
		{"the leader is killed while the service scales out", func(t *testing.T) {
			leader := leaderOf(t)
			p.report(t, 20, 0, 1, 2, 3)
			killProcess(t, leader)
			p.await(t, 8)
			eventually(t, time.Minute, "another process leads", func(context.Context) error {
				if now := leaderOf(t); now == leader || now == "" {
					return fmt.Errorf("the lease is held by %q", now)
				}
				return nil
			})
			eventually(t, time.Minute, "the new leader tells of 8 replicas", func(ctx context.Context) error {
				now, err := get(ctx, faultsNamespace, faultsService)
				if err == nil && now.Status.ReadyReplicas != 8 {
					err = fmt.Errorf("it tells of %d", now.Status.ReadyReplicas)
				}
				return err
			})
			sees(t, "20", 8)
		}},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			t.Fatalf("the steps after %q need it", step.name)
		}
	}
	if wanted := record.wanted(faultsService); !slices.Equal(wanted, []int32{1, 3, 4, 8}) {
		t.Errorf("the Deployment had %v replicas, one after the other, want 1, 3, 4 and 8", wanted)
	}
}

// puppets are the service's pods in the order of their creation.
type puppets struct{ names []string }

// await waits until there are so many, all ready, and takes in the new ones.
func (p *puppets) await(t *testing.T, want int) {
	t.Helper()
	waitReplicas(t, faultsNamespace, faultsService, want)
	pods, err := podsOf(t.Context(), faultsNamespace, faultsService)
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods {
		if !slices.Contains(p.names, pod.Name) {
			p.names = append(p.names, pod.Name)
		}
	}
	if len(p.names) != want {
		t.Fatalf("the pods have been %q, want %d that stay", p.names, want)
	}
}

// report lets pods tell of so many queries in flight.
func (p *puppets) report(t *testing.T, queries int, which ...int) {
	t.Helper()
	p.tell(t, fmt.Sprintf("load?inFlight=%d", queries), which)
}

// silence lets pods answer no question any more.
func (p *puppets) silence(t *testing.T, which ...int) {
	t.Helper()
	p.tell(t, "mute", which)
}

func (p *puppets) tell(t *testing.T, what string, which []int) {
	t.Helper()
	for _, i := range which {
		if err := callPod(t.Context(), http.MethodPut, faultsNamespace, p.names[i], 9090, what, nil); err != nil {
			t.Fatalf("%s to %s: %v", what, p.names[i], err)
		}
	}
}

func scalerOf(ctx context.Context) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	scaler := &autoscalingv2.HorizontalPodAutoscaler{}
	return scaler, cluster.client.Get(ctx, client.ObjectKey{Namespace: faultsNamespace, Name: faultsService}, scaler)
}

// sees waits until the autoscaler has seen an average, and so has decided on it,
// and wants it to have decided for a number of replicas.
func sees(t *testing.T, average string, replicas int32) {
	t.Helper()
	eventually(t, 2*time.Minute, fmt.Sprintf("the autoscaler sees %s in flight and wants %d replicas", average, replicas), func(ctx context.Context) error {
		scaler, err := scalerOf(ctx)
		if err != nil {
			return err
		}
		metrics := scaler.Status.CurrentMetrics
		if len(metrics) != 1 || metrics[0].Pods == nil || metrics[0].Pods.Current.AverageValue == nil {
			return fmt.Errorf("it sees %v", metrics)
		}
		if got := metrics[0].Pods.Current.AverageValue.String(); got != average {
			return errors.New("it sees " + got)
		}
		if scaler.Status.DesiredReplicas != replicas {
			return fmt.Errorf("it wants %d replicas", scaler.Status.DesiredReplicas)
		}
		service, err := get(ctx, faultsNamespace, faultsService)
		if err != nil {
			return err
		}
		return hasCondition(service, v1alpha1.ConditionScalingActive, metav1.ConditionTrue, "")
	})
}

// seesNothing waits until the autoscaler and the RAGService say that there are no
// figures, and why.
func seesNothing(t *testing.T, why string) {
	t.Helper()
	eventually(t, 2*time.Minute, "the condition says: "+why, func(ctx context.Context) error {
		scaler, err := scalerOf(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(scaler.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
			return c.Type == autoscalingv2.ScalingActive && c.Status == corev1.ConditionFalse && c.Reason == "FailedGetPodsMetric"
		}) {
			return fmt.Errorf("the autoscaler says %v", scaler.Status.Conditions)
		}
		service, err := get(ctx, faultsNamespace, faultsService)
		if err != nil {
			return err
		}
		if err := hasCondition(service, v1alpha1.ConditionScalingActive, metav1.ConditionFalse, ""); err != nil {
			return err
		}
		if message := meta.FindStatusCondition(service.Status.Conditions, v1alpha1.ConditionScalingActive).Message; !strings.Contains(message, why) {
			return errors.New("the message is: " + message)
		}
		return nil
	})
}

// withoutMetricsAPI leads the API server astray on its way to the metrics API, and
// back again.
func withoutMetricsAPI(t *testing.T, during func()) {
	t.Helper()
	const name = "app.kubernetes.io/name"
	point := func(ctx context.Context, at string) error {
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: metricsAPI}}
		patch := fmt.Sprintf(`{"spec":{"selector":{%q:%q}}}`, name, at)
		return cluster.client.Patch(ctx, service, client.RawPatch("application/merge-patch+json", []byte(patch)))
	}
	// While an API is registered and not there, no namespace can be deleted, so
	// this must be undone whatever happens.
	t.Cleanup(func() {
		if err := point(context.WithoutCancel(t.Context()), "ragservice-operator"); err != nil {
			t.Error(err)
		}
	})
	if err := point(t.Context(), "nowhere"); err != nil {
		t.Fatal(err)
	}
	during()
	if err := point(t.Context(), "ragservice-operator"); err != nil {
		t.Fatal(err)
	}
}

// leaderOf is the identity under which a process of the operator leads: its pod's
// name, an underscore, and what differs with each start.
func leaderOf(t *testing.T) string {
	t.Helper()
	var lease coordinationv1.Lease
	if err := cluster.client.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: "operator.rag.ragops.dev"}, &lease); err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// killProcess sends SIGKILL to the leader's process, which so can neither give up
// its lease nor finish what it does, and waits until the kubelet has noticed.
func killProcess(t *testing.T, leader string) {
	t.Helper()
	name, _, _ := strings.Cut(leader, "_")
	container := func(ctx context.Context) (*corev1.ContainerStatus, error) {
		pod := &corev1.Pod{}
		if err := cluster.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: name}, pod); err != nil {
			return nil, err
		}
		if n := len(pod.Status.ContainerStatuses); n != 1 {
			return nil, fmt.Errorf("pod %s has %d containers", name, n)
		}
		return &pod.Status.ContainerStatuses[0], nil
	}
	before, err := container(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, id, found := strings.Cut(before.ContainerID, "://")
	if !found || id == "" {
		t.Fatalf("pod %s runs %q", name, before.ContainerID)
	}
	pids, err := processesOf(id)
	if err != nil || len(pids) != 1 {
		t.Fatalf("container %s has the processes %v and %v, want one", id, pids, err)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the kubelet has started another process", func(ctx context.Context) error {
		now, err := container(ctx)
		switch {
		case err != nil:
			return err
		case now.RestartCount == before.RestartCount:
			return errors.New("it was not restarted")
		case now.LastTerminationState.Terminated == nil || now.LastTerminationState.Terminated.ExitCode != 128+int32(syscall.SIGKILL):
			return fmt.Errorf("the one before ended with %v", now.LastTerminationState.Terminated)
		}
		return nil
	})
}

// processesOf finds the processes of a container by its control group, which bears
// its id wherever the node's processes can be seen from here.
func processesOf(container string) ([]int, error) {
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, path := range groups {
		data, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(data), container) {
			continue // It ended, or is another's.
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
