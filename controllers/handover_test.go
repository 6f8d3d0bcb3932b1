package controllers_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// scaler plays an autoscaler under ever-changing load: as long as there is a
// HorizontalPodAutoscaler it gives the Deployment one number after the other, none of
// them twice.
type scaler struct {
	mu   sync.Mutex
	next int32
	set  map[int32]bool
}

// step scales once, if there is an autoscaler that would. Like the real one it changes
// the number that it saw, and that was before it made sure of the autoscaler: it writes
// nothing over a size that was fixed after the autoscaler was gone.
func (a *scaler) step(ctx context.Context, namespace, name string) error {
	key := client.ObjectKey{Namespace: namespace, Name: name}
	d := &appsv1.Deployment{}
	if err := env.Client.Get(ctx, key, d); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := env.Client.Get(ctx, key, &autoscalingv2.HorizontalPodAutoscaler{}); err != nil {
		return client.IgnoreNotFound(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	patch := fmt.Appendf(nil, `[{"op":"test","path":"/spec/replicas","value":%d},{"op":"replace","path":"/spec/replicas","value":%d}]`, *d.Spec.Replicas, a.next)
	err := env.Client.SubResource("scale").Patch(ctx, d, client.RawPatch(types.JSONPatchType, patch),
		client.WithSubResourceBody(&autoscalingv1.Scale{}), client.FieldOwner("kube-controller-manager"))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsInvalid(err) { // invalid: the number is another
		return nil
	}
	a.set[a.next] = true // after an error too: it may have been carried out
	return err
}

// TestHandOverOfThePast lets the operator hand over a number of replicas that it saw,
// and that an autoscaler changed since: the newer number stays, and the operator
// learns that it has to look again.
func TestHandOverOfThePast(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	create(t, operator, testkit.Service(namespace, "support", testkit.WithReplicas(3, 3)))
	operator.Stop()
	past, now := &appsv1.Deployment{}, &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: namespace, Name: "support"}
	if err := env.Client.Get(t.Context(), key, past); err != nil {
		t.Fatal(err)
	}
	autoscaler := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "support"},
		Spec:       autoscalingv1.ScaleSpec{Replicas: 8},
	}
	if err := env.Client.SubResource("scale").Update(t.Context(), past.DeepCopy(), client.WithSubResourceBody(autoscaler)); err != nil {
		t.Fatal(err)
	}
	applier := apply.New(env.Client, nil, nil)
	if err := applier.HandOver(t.Context(), past); !apierrors.IsConflict(err) {
		t.Errorf("handed over a number of the past: %v, want a conflict", err)
	}
	if err := env.Client.Get(t.Context(), key, now); err != nil {
		t.Fatal(err)
	}
	if *now.Spec.Replicas != 8 {
		t.Errorf("the Deployment has %d replicas, want the autoscaler's 8", *now.Spec.Replicas)
	}
	if err := applier.HandOver(t.Context(), now); err != nil {
		t.Errorf("hand over what is there now: %v", err)
	}
}

// TestReplicasUnderLoad switches the autoscaler on and off and changes its range
// while the autoscaler scales, the service is edited and the operator is replaced.
// Whatever happens at the same time, the Deployment only ever has a number that the
// autoscaler or the spec gave it, and none of the past comes back.
func TestReplicasUnderLoad(t *testing.T) {
	const (
		rounds = 12
		// Fixed sizes are told from the autoscaler's numbers, which start at 101, and
		// from each other.
		firstFixed, firstScaled = 11, 101
	)
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithReplicas(3, 1000))
	create(t, operator, service)
	seen := follow(t, namespace, "support")
	seen.expect(t, 3)

	autoscaler := &scaler{next: firstScaled - 1, set: map[int32]bool{}}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() {
		for ctx.Err() == nil {
			if err := autoscaler.step(ctx, namespace, "support"); err != nil && ctx.Err() == nil {
				t.Errorf("scale: %v", err)
			}
		}
	})
	load.Go(func() {
		views := time.NewTicker(10 * time.Millisecond) // they are outdated often, not always
		defer views.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-views.C
			note := fmt.Sprintf(`{"metadata":{"annotations":{"example.com/note":"%d"}}}`, i)
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "support"}}
			if err := env.Client.Patch(ctx, d, client.RawPatch("application/merge-patch+json", []byte(note))); err != nil && ctx.Err() == nil {
				t.Errorf("annotate the Deployment: %v", err)
			}
		}
	})
	random := rand.New(rand.NewPCG(1, 2))
	fixed := map[int32]bool{3: true}
	for round := range int32(rounds) {
		size := firstFixed + round
		fixed[size] = true
		for _, scaling := range []v1alpha1.Scaling{
			{MinReplicas: size, MaxReplicas: size},
			{MinReplicas: 2, MaxReplicas: 1000},
			{MinReplicas: 1 + random.Int32N(4), MaxReplicas: 900 + random.Int32N(100)},
		} {
			change(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling = scaling })
			if random.IntN(2) == 0 { // half of the changes meet the next one on their way
				looked(t, service)
			}
		}
		if round%4 == 3 {
			operator.Kill()
			operator = env.Operate(t, namespace, nil)
		}
	}
	looked(t, service)
	stop()
	load.Wait()
	settle(t, operator)

	seen.mu.Lock()
	defer seen.mu.Unlock()
	t.Logf("the Deployment had %d numbers of replicas, %d of them the autoscaler's", len(seen.seen), len(autoscaler.set))
	last := map[bool]int32{} // by whether it is the autoscaler's
	for _, n := range seen.seen {
		scaled := n >= firstScaled
		if !fixed[n] && !autoscaler.set[n] {
			t.Errorf("it had %d replicas, which nobody asked for", n)
		}
		if n <= last[scaled] {
			t.Errorf("it had %d replicas after it had %d: a number of the past came back, in %v", n, last[scaled], seen.seen)
		}
		last[scaled] = n
	}
	if last[true] == 0 {
		t.Error("the autoscaler never scaled: the test shows nothing")
	}
}

// change edits the spec without waiting for the operator.
func change(t *testing.T, service *v1alpha1.RAGService, edit func(*v1alpha1.RAGServiceSpec)) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		edit(&service.Spec)
		return env.Client.Update(ctx, service)
	})
}
