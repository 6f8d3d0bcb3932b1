package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
	"ragops.dev/ragservice/runtime/config"
)

// TestMeasure lets the operator ask a pod that answers as the runtime does, and
// checks what shows in the status, that the same answer twice writes nothing, and
// that what is gone goes.
func TestMeasure(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	const address = "127.0.77.1" // a pod's address that this machine answers at
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("%s:%d", address, build.AdminPort))
	if err != nil {
		t.Fatalf("listen where a pod would: %v", err)
	}
	var reported atomic.Pointer[config.Status]
	reported.Store(&config.Status{
		ConfigHash: "0123456789",
		Dependencies: []config.DependencyStatus{
			{Name: "http", Role: config.RoleVectorStore, State: config.Unreachable, Reason: "Timeout"},
		},
		Load: config.LoadStatus{
			WindowSeconds: 60, Queries: 600, Succeeded: 600, Hits: 450, QueriesPerSecond: 10, QueriesInFlight: 3, MeanSeconds: 0.1,
			Latencies: []config.LatencyBucket{{UpperSeconds: 0.25, Count: 600}},
		},
	})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(reported.Load()); err != nil {
			t.Error(err)
		}
	})}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	t.Cleanup(func() { server.Close() })

	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support")
	create(t, operator, service)
	env.Roll(t, namespace, "support")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "support-0", Labels: map[string]string{
			build.LabelManagedBy: build.FieldOwner, build.LabelInstance: "support", build.LabelComponent: build.ComponentRuntime,
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "runtime", Image: "a"}}},
	}
	if err := env.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}}
	if err := env.Client.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}

	unreached := env.Condition(t, service, v1alpha1.ConditionDependenciesReachable, metav1.ConditionFalse)
	if want := "http (vectorStore) is not reached by 1 of 1 replicas: Timeout"; unreached.Message != want {
		t.Errorf("DependenciesReachable says %q, want %q", unreached.Message, want)
	}
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue) // does not depend on it
	if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(service), service); err != nil {
		t.Fatal(err)
	}
	if got, want := *service.Status.Load, (v1alpha1.LoadStatus{QueriesPerSecond: "10", QueriesInFlight: 3, P95Latency: "250ms", CacheHitRatio: "0.75"}); got != want {
		t.Errorf("the status shows %+v, want %+v", got, want)
	}
	if service.Status.AppliedConfigHash != "0123456789" {
		t.Errorf("the status says that %q is applied, want what the pod reports", service.Status.AppliedConfigHash)
	}

	settle(t, operator)
	operator.Requests.Reset()
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("the same load wrote %v, want nothing", writes)
	}

	reported.Store(&config.Status{ConfigHash: "0123456789"})
	env.Condition(t, service, v1alpha1.ConditionDependenciesReachable, metav1.ConditionTrue)
	if err := env.Client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		if service.Status.Load != nil {
			return fmt.Errorf("the status still shows the load of a pod that is gone")
		}
		return nil
	})
}
