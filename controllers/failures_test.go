package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
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
// not fight, whichever of them comes first: the second one is told, the first one is
// not touched, and the name is the second one's as soon as the first one is gone.
func TestTwoOfOneName(t *testing.T) {
	tests := []struct{ name, first, second string }{
		{name: "the one with the Redis comes first", first: "support", second: "support-redis"},
		{name: "the one with the Redis comes second", first: "support-redis", second: "support"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			namespace := env.Namespace(t)
			operator := env.Operate(t, namespace, nil)
			services := map[string]*v1alpha1.RAGService{
				"support":       testkit.Service(namespace, "support", testkit.WithManagedRedis),
				"support-redis": testkit.Service(namespace, "support-redis"),
			}
			first, second := services[tt.first], services[tt.second]
			create(t, operator, first)
			before := childVersions(t, first)
			create(t, operator, second)
			stalled := env.Condition(t, second, v1alpha1.ConditionStalled, metav1.ConditionTrue)
			want := "Service support-redis exists and does not belong to this RAGService"
			if stalled.Reason != v1alpha1.ReasonNameConflict || !strings.Contains(stalled.Message, want) {
				t.Errorf("Stalled says %s: %s, want NameConflict and %q", stalled.Reason, stalled.Message, want)
			}
			if diff := cmp.Diff(before, childVersions(t, first)); diff != "" {
				t.Errorf("the second service touched children of the first one (-before +after):\n%s", diff)
			}
			operator.Requests.Reset()
			settle(t, operator)
			if writes := operator.Requests.Writes(); len(writes) > 0 {
				t.Errorf("the two still write: %v", writes)
			}

			if err := env.Client.Delete(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			testkit.Eventually(t, func(ctx context.Context) error {
				return errors.Join(env.CollectGarbage(ctx, namespace), complete(ctx, second))
			})
			if took := time.Since(begin); took > 20*time.Second { // it looks by itself after 30 s
				t.Errorf("the second service had the name %s after the first one was gone, want at once", took)
			}
			testkit.Eventually(t, func(ctx context.Context) error {
				if err := env.Client.Get(ctx, client.ObjectKeyFromObject(second), second); err != nil {
					return err
				}
				if c := meta.FindStatusCondition(second.Status.Conditions, v1alpha1.ConditionStalled); c != nil {
					return fmt.Errorf("it still is stalled: %s", c.Message)
				}
				return nil
			})
		})
	}
}

// childVersions are the resource versions of a service's children.
func childVersions(t *testing.T, service *v1alpha1.RAGService) map[string]string {
	t.Helper()
	owned, err := env.Owned(t.Context(), service.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, o := range owned {
		if o.Owner != service.UID {
			continue
		}
		object := testkit.Object(o.Kind, service.Namespace, o.Name)
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		all[o.String()] = object.GetResourceVersion()
	}
	return all
}
