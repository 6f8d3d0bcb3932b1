package controllers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// skewed is the machine's clock, gone wrong by some time.
type skewed struct {
	clock.RealClock
	by time.Duration
}

func (s skewed) Now() time.Time                  { return time.Now().Add(s.by) }
func (s skewed) Since(t time.Time) time.Duration { return s.Now().Sub(t) }

// TestClockSkew runs operators one after the other whose clocks are an hour ahead of
// the API server's, and an hour behind: each makes services and repairs them, none
// of them writes to what the one before left, and a condition's time stays that of
// its last change.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	var services []*v1alpha1.RAGService
	times := map[string]metav1.Time{}
	for i, by := range []time.Duration{time.Hour, -time.Hour, 0} {
		operator := env.Operate(t, namespace, func(o *controllers.Options) { o.Clock = skewed{by: by} })
		for _, s := range services {
			touch(t, s)
		}
		settle(t, operator)
		if writes := operator.Requests.Writes(); len(writes) > 0 {
			t.Errorf("with a clock wrong by %s: a look at what another one left wrote %v, want nothing", by, writes)
		}
		service := testkit.Service(namespace, fmt.Sprintf("skewed-%d", i), testkit.WithManagedRedis)
		create(t, operator, service)
		env.Roll(t, namespace, service.Name)
		env.RollRedis(t, namespace, service.Name)
		env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
		services = append(services, service)
		for _, s := range services { // a change makes a new status, and no new time
			edit(t, s, func(spec *v1alpha1.RAGServiceSpec) { spec.VectorStore.TopK++ })
			env.Roll(t, namespace, s.Name)
			env.Condition(t, s, v1alpha1.ConditionCacheAvailable, metav1.ConditionTrue)
			if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(s), s); err != nil {
				t.Fatal(err)
			}
			at := meta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionCacheAvailable).LastTransitionTime
			was, known := times[s.Name]
			if known && !at.Equal(&was) {
				t.Errorf("the time of a condition of %s that stayed as it was went from %s to %s", s.Name, was, at)
			}
			if off := at.Time.Sub(time.Now().Add(by)).Abs(); !known && off > testkit.Patience {
				t.Errorf("a condition of %s changed at %s, which is %s from the operator's time", s.Name, at, off)
			}
			times[s.Name] = at
		}
		settle(t, operator)
		operator.Stop()
	}
}

// TestLeaseOfAnotherTime has a lease whose times are an hour off, as a leader writes
// it whose clock is wrong. While it is renewed nobody else leads; once it is not any
// more an operator takes it within the usual time, and not an hour later.
func TestLeaseOfAnotherTime(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace, system := env.Namespace(t), env.Namespace(t)
			lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "operator.rag.ragops.dev"}}
			renew := func(ctx context.Context) error {
				now := metav1.NewMicroTime(time.Now().Add(by))
				lease.Spec = coordinationv1.LeaseSpec{
					HolderIdentity: new("another"), LeaseDurationSeconds: new(int32(15)), AcquireTime: &now, RenewTime: &now,
				}
				if lease.ResourceVersion == "" {
					return env.Client.Create(ctx, lease)
				}
				return env.Client.Update(ctx, lease)
			}
			if err := renew(t.Context()); err != nil {
				t.Fatal(err)
			}
			operator := env.Operate(t, namespace, func(o *controllers.Options) { o.LeaderElection, o.Namespace = true, system })
			service := testkit.Service(namespace, "support")
			if err := env.Client.Create(t.Context(), service); err != nil {
				t.Fatal(err)
			}
			const renewals = 9
			ticker := time.NewTicker(2 * time.Second)
			defer ticker.Stop()
			for range renewals { // longer than the lease lasts
				select {
				case <-t.Context().Done():
					t.Fatal(t.Context().Err())
				case <-ticker.C:
				}
				if err := renew(t.Context()); err != nil {
					t.Fatalf("somebody took the lease that is renewed: %v", err)
				}
			}
			if writes := operator.Requests.Writes(); len(writes) > 0 {
				t.Errorf("an operator that does not lead wrote %v", writes)
			}
			// The one that led is gone.
			begin := time.Now()
			looked(t, service)
			t.Logf("another one led after %s", time.Since(begin).Round(time.Second))
			if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(lease), lease); err != nil {
				t.Fatal(err)
			}
			if *lease.Spec.HolderIdentity == "another" {
				t.Error("the service was looked at by an operator without the lease")
			}
		})
	}
}
