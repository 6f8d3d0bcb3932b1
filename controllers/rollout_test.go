package controllers_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// readiness follows which generations of a service were ever called Ready.
type readiness struct {
	mu    sync.Mutex
	ready map[int64]bool
}

// followReadiness watches the services of a namespace until the test ends.
func followReadiness(t *testing.T, namespace string) *readiness {
	t.Helper()
	c, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), &v1alpha1.RAGServiceList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	r := &readiness{ready: map[int64]bool{}}
	go func() {
		for event := range w.ResultChan() {
			s, ok := event.Object.(*v1alpha1.RAGService)
			if !ok {
				continue
			}
			c := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
			if c != nil && c.Status == metav1.ConditionTrue {
				r.mu.Lock()
				r.ready[c.ObservedGeneration] = true
				r.mu.Unlock()
			}
		}
	}()
	t.Cleanup(w.Stop)
	return r
}

func (r *readiness) was(generation int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready[generation]
}

// TestReadyWaitsForRollout edits a service that is ready: until the pods of the new
// generation are there it is not called so, not even by the pass that applies the edit,
// which still sees the Deployment with the status of before.
func TestReadyWaitsForRollout(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithReplicas(2, 2))
	create(t, operator, service)
	seen := followReadiness(t, namespace)
	env.Roll(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)

	for _, tt := range []struct {
		name   string
		change func(*v1alpha1.RAGServiceSpec)
	}{
		{"another prompt", func(s *v1alpha1.RAGServiceSpec) { s.Model.SystemPrompt = "Be brief." }},
		{"another image", func(s *v1alpha1.RAGServiceSpec) { s.Workload.Image = "ragservice-runtime:own" }},
		{"fewer replicas", func(s *v1alpha1.RAGServiceSpec) { s.Scaling.MinReplicas, s.Scaling.MaxReplicas = 1, 1 }},
		{"an autoscaler", func(s *v1alpha1.RAGServiceSpec) {
			s.Scaling.MaxReplicas = 3
			s.Workload.PodLabels = map[string]string{"team": "a"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			edit(t, service, tt.change)
			settle(t, operator)
			if seen.was(service.Generation) {
				t.Error("it was called Ready though no pod of the new generation runs")
			}
			env.Condition(t, service, v1alpha1.ConditionReconciling, metav1.ConditionTrue)
			env.Roll(t, namespace, "support")
			env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
			testkit.Eventually(t, func(context.Context) error {
				if !seen.was(service.Generation) {
					return fmt.Errorf("the watch has not seen that generation %d is Ready: the test shows nothing", service.Generation)
				}
				return nil
			})
		})
	}
}
