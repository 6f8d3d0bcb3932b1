package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestRefusedChild checks that a child which the API server refuses ends in a
// condition that says why, and that the rest is there.
func TestRefusedChild(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	tests := []struct {
		name string
		// with asks for the part whose objects have the name of the other service.
		with          func(*v1alpha1.RAGService)
		first, second string
	}{
		{name: "the one with the Redis comes first", with: testkit.WithManagedRedis, first: "support", second: "support-redis"},
		{name: "the one with the Redis comes second", with: testkit.WithManagedRedis, first: "support-redis", second: "support"},
		{name: "the one with the embedding comes first", with: testkit.WithManagedEmbedding, first: "support", second: "support-embedding"},
		{name: "the one with the embedding comes second", with: testkit.WithManagedEmbedding, first: "support-embedding", second: "support"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			namespace := env.Namespace(t)
			operator := env.Operate(t, namespace, nil)
			taken := max(tt.first, tt.second) // the longer one
			services := map[string]*v1alpha1.RAGService{
				"support": testkit.Service(namespace, "support", tt.with),
				taken:     testkit.Service(namespace, taken),
			}
			first, second := services[tt.first], services[tt.second]
			create(t, operator, first)
			before := childVersions(t, first)
			create(t, operator, second)
			stalled := env.Condition(t, second, v1alpha1.ConditionStalled, metav1.ConditionTrue)
			want := "Service " + taken + " exists and does not belong to this RAGService"
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
