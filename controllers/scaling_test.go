package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// replicas follows every number of replicas that a Deployment ever had.
type replicas struct {
	mu   sync.Mutex
	seen []int32
}

// follow watches a Deployment until the test ends.
func follow(t *testing.T, namespace, name string) *replicas {
	t.Helper()
	c, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), &appsv1.DeploymentList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	r := &replicas{}
	go func() {
		for event := range w.ResultChan() {
			if d, ok := event.Object.(*appsv1.Deployment); ok && d.Name == name && event.Type != watch.Deleted {
				r.mu.Lock()
				if n := *d.Spec.Replicas; len(r.seen) == 0 || r.seen[len(r.seen)-1] != n {
					r.seen = append(r.seen, n)
				}
				r.mu.Unlock()
			}
		}
	}()
	t.Cleanup(w.Stop)
	return r
}

func (r *replicas) expect(t *testing.T, want ...int32) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if fmt.Sprint(r.seen) != fmt.Sprint(want) {
			return fmt.Errorf("the Deployment had %v replicas, one after the other, want %v", r.seen, want)
		}
		return nil
	})
}

// autoscale plays the HorizontalPodAutoscaler's controller, which a bare API server
// lacks.
func autoscale(t *testing.T, namespace, name string, n int32) {
	t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	scale := &autoscalingv1.Scale{ObjectMeta: d.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: n}}
	err := env.Client.SubResource("scale").Update(t.Context(), d, client.WithSubResourceBody(scale), client.FieldOwner("kube-controller-manager"))
	if err != nil {
		t.Fatal(err)
	}
}

// ownsReplicas is whether the operator is among the owners of spec.replicas.
func ownsReplicas(t *testing.T, namespace, name string) bool {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, d); err != nil {
		t.Fatal(err)
	}
	for _, e := range d.ManagedFields {
		if e.Manager == build.FieldOwner && e.FieldsV1 != nil && strings.Contains(e.FieldsV1.GetRawString(), `"f:replicas"`) {
			return true
		}
	}
	return false
}

// TestReplicas follows the number of replicas through all that can happen to it:
// the operator never resets what the autoscaler decided.
func TestReplicas(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	seen := follow(t, namespace, "support")
	service := testkit.Service(namespace, "support", testkit.WithReplicas(3, 10))
	create(t, operator, service)
	seen.expect(t, 1, 3) // a new Deployment starts with what the autoscaler would bring it to
	if ownsReplicas(t, namespace, "support") {
		t.Error("the operator owns the replicas of a service that scales")
	}

	autoscale(t, namespace, "support", 7)
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling.MinReplicas, s.Scaling.MaxReplicas = 2, 20 })
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.VectorStore.TopK = 7 })
	settle(t, operator)
	seen.expect(t, 1, 3, 7)

	// Switched off: the size is what the spec says.
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling = v1alpha1.Scaling{MinReplicas: 5, MaxReplicas: 5} })
	seen.expect(t, 1, 3, 7, 5)
	if !ownsReplicas(t, namespace, "support") {
		t.Error("the operator does not own the replicas of a service of fixed size")
	}

	// Switched on again: it stays where it is until the autoscaler says otherwise.
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling = v1alpha1.Scaling{MinReplicas: 2, MaxReplicas: 9} })
	settle(t, operator)
	seen.expect(t, 1, 3, 7, 5)
	if ownsReplicas(t, namespace, "support") {
		t.Error("the operator still owns the replicas after the hand-over")
	}
	autoscale(t, namespace, "support", 8)
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.VectorStore.TopK = 9 })
	settle(t, operator)
	seen.expect(t, 1, 3, 7, 5, 8)
}
