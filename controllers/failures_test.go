package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestEveryCallFailsOnce makes each write of a service's life fail once, in each of
// the ways that calls fail: the operator gets to the same end.
func TestEveryCallFailsOnce(t *testing.T) {
	resource := schema.GroupResource{Resource: "things"}
	failures := []struct {
		name string
		err  error
	}{
		{"conflict", apierrors.NewConflict(resource, "a", errors.New("somebody was faster"))},
		{"too many requests", apierrors.NewTooManyRequests("later", 0)},
		{"internal error", apierrors.NewInternalError(errors.New("etcd is tired"))},
		{"timeout", apierrors.NewServerTimeout(resource, "patch", 0)},
		{"broken connection", errors.New("connection reset by peer")},
	}
	for _, failure := range failures {
		t.Run(failure.name, func(t *testing.T) {
			namespace := env.Namespace(t)
			operator := env.Operate(t, namespace, nil)
			var mu sync.Mutex
			failed := map[string]bool{}
			operator.Requests.Fail(func(request *http.Request) error {
				name := testkit.Write(request)
				mu.Lock()
				defer mu.Unlock()
				if name == "" || failed[name] {
					return nil
				}
				failed[name] = true
				return failure.err
			})
			service := testkit.Service(namespace, "support", testkit.WithManagedRedis)
			if err := env.Client.Create(t.Context(), service); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, func(ctx context.Context) error {
				names, err := env.Children(ctx, service)
				if err != nil {
					return err
				}
				if len(names) != 11 {
					return fmt.Errorf("children are %v, want all 11", names)
				}
				return nil
			})
			env.Roll(t, namespace, "support")
			env.RollRedis(t, namespace, "support")
			env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
			edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
				s.Cache = nil
				s.Scaling = v1alpha1.Scaling{MinReplicas: 2, MaxReplicas: 2}
			})
			testkit.Eventually(t, func(ctx context.Context) error {
				names, err := env.Children(ctx, service)
				if slices.Contains(names, "StatefulSet/support-redis") || slices.Contains(names, "HorizontalPodAutoscaler/support") {
					return fmt.Errorf("children are %v, want neither Redis nor autoscaler", names)
				}
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if len(failed) < 15 {
				t.Errorf("only %d calls were made to fail: %v", len(failed), failed)
			}
		})
	}
}

// TestRefusedChild checks that a child which the API server refuses ends in a
// condition that says why, and that the rest is there.
func TestRefusedChild(t *testing.T) {
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", func(s *v1alpha1.RAGService) {
		s.Spec.Workload.PodLabels = map[string]string{"team": "not a label!"}
	})
	create(t, operator, service)
	stalled := env.Condition(t, service, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	if stalled.Reason != v1alpha1.ReasonInvalidSpec {
		t.Errorf("Stalled says %s: %s, want InvalidSpec", stalled.Reason, stalled.Message)
	}
	if got := children(t, service); !slices.Contains(got, "Service/support") {
		t.Errorf("children are %v, want the Service among them", got)
	}
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Workload.PodLabels = nil })
	env.Roll(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// TestTwoOfOneName checks that two services whose children would share a name do
// not fight: the second is told.
func TestTwoOfOneName(t *testing.T) {
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	first := testkit.Service(namespace, "support", testkit.WithManagedRedis)
	create(t, operator, first)
	second := testkit.Service(namespace, "support-redis")
	create(t, operator, second)
	stalled := env.Condition(t, second, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	if stalled.Reason != v1alpha1.ReasonNameConflict {
		t.Errorf("Stalled says %s: %s, want NameConflict", stalled.Reason, stalled.Message)
	}
	owner := &metav1.PartialObjectMetadata{}
	owner.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Service"})
	if err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "support-redis"}, owner); err != nil {
		t.Fatal(err)
	}
	if !metav1.IsControlledBy(owner, first) {
		t.Error("the second service took the Service of the first one's Redis")
	}
	operator.Requests.Reset()
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("the two still write: %v", writes)
	}
}
