package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// kedaFinalizer is what KEDA's operator holds a ScaledObject with until it has let go
// of the replicas.
const kedaFinalizer = "finalizer.keda.sh"

func installKEDA(t *testing.T) {
	t.Helper()
	options := envtest.CRDInstallOptions{Paths: []string{"testdata/crds/scaledobjects.yaml"}}
	testkit.Eventually(t, func(ctx context.Context) error { // of a test before
		definition := testkit.Object(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"), "", "scaledobjects.keda.sh")
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(definition), definition); !apierrors.IsNotFound(err) {
			return fmt.Errorf("KEDA is still there: %w", err)
		}
		return nil
	})
	if _, err := envtest.InstallCRDs(env.Config, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(env.Config, options); err != nil {
			t.Error(err)
		}
	})
}

// adopt plays KEDA's operator as it takes a ScaledObject: it holds it with its
// finalizer and makes an autoscaler of its own, with the labels and annotations of
// the ScaledObject.
func adopt(t *testing.T, namespace, name string) {
	t.Helper()
	scaledObject := testkit.Object(build.ScaledObjectKind, namespace, name)
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(scaledObject), scaledObject); err != nil {
			return err
		}
		scaledObject.SetFinalizers([]string{kedaFinalizer})
		return env.Client.Update(ctx, scaledObject, client.FieldOwner("keda"))
	})
	labels := scaledObject.GetLabels()
	autoscaler := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "keda-hpa-" + name, Labels: labels, Annotations: scaledObject.GetAnnotations(),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(scaledObject, build.ScaledObjectKind)},
		},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: name},
			MinReplicas:    new(int32(2)), MaxReplicas: 9,
		},
	}
	if err := env.Client.Create(t.Context(), autoscaler, client.FieldOwner("keda")); err != nil {
		t.Fatal(err)
	}
	autoscaler.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
		CurrentMetrics: []autoscalingv2.MetricStatus{external("s0-prometheus", "12")},
		Conditions:     []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound"}},
	}
	if err := env.Client.Status().Update(t.Context(), autoscaler); err != nil {
		t.Fatal(err)
	}
}

// letGo plays KEDA's operator as it lets go of a ScaledObject that is being deleted,
// and the garbage collector, which a bare API server lacks.
func letGo(t *testing.T, namespace, name string) {
	t.Helper()
	scaledObject := testkit.Object(build.ScaledObjectKind, namespace, name)
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(scaledObject), scaledObject); err != nil {
			return err
		}
		if scaledObject.GetDeletionTimestamp() == nil {
			return fmt.Errorf("the ScaledObject is not being deleted")
		}
		scaledObject.SetFinalizers(nil)
		return env.Client.Update(ctx, scaledObject, client.FieldOwner("keda"))
	})
	autoscaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "keda-hpa-" + name}}
	if err := env.Client.Delete(t.Context(), autoscaler); err != nil {
		t.Fatal(err)
	}
}

func external(name, perReplica string) autoscalingv2.MetricStatus {
	return autoscalingv2.MetricStatus{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricStatus{
		Metric:  autoscalingv2.MetricIdentifier{Name: name},
		Current: autoscalingv2.MetricValueStatus{AverageValue: new(resource.MustParse(perReplica))},
	}}
}

// autoscalers follows which autoscalers a Deployment has.
type autoscalers struct {
	mu   sync.Mutex
	now  map[string]bool
	most int
}

func followAutoscalers(t *testing.T, namespace, deployment string) *autoscalers {
	t.Helper()
	c, err := client.NewWithWatch(env.Config, client.Options{Scheme: env.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), &autoscalingv2.HorizontalPodAutoscalerList{}, client.InNamespace(namespace))
	if err != nil {
		t.Fatal(err)
	}
	a := &autoscalers{now: map[string]bool{}}
	go func() {
		for event := range w.ResultChan() {
			autoscaler, ok := event.Object.(*autoscalingv2.HorizontalPodAutoscaler)
			if !ok || autoscaler.Spec.ScaleTargetRef.Name != deployment {
				continue
			}
			a.mu.Lock()
			if event.Type == watch.Deleted {
				delete(a.now, autoscaler.Name)
			} else {
				a.now[autoscaler.Name] = true
			}
			a.most = max(a.most, len(a.now))
			a.mu.Unlock()
		}
	}()
	t.Cleanup(w.Stop)
	return a
}

// expect waits until the Deployment has these autoscalers and no others.
func (a *autoscalers) expect(t *testing.T, want ...string) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		var have []string
		for name := range a.now {
			have = append(have, name)
		}
		slices.Sort(have)
		if !slices.Equal(have, want) {
			return fmt.Errorf("the Deployment has the autoscalers %v, want %v", have, want)
		}
		return nil
	})
}

func kedaScaling(s *v1alpha1.RAGServiceSpec) {
	s.Scaling.MetricsSource = v1alpha1.MetricsSourceKEDA
	s.Scaling.KEDA = &v1alpha1.KEDA{ServerAddress: "http://prometheus.monitoring.svc:9090"}
}

// TestMetricsSources takes a service from one source to the next and back while it
// runs with seven replicas: it keeps them, has one autoscaler at a time, and the
// operator never owns the number.
func TestMetricsSources(t *testing.T) {
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	seen, has := follow(t, namespace, "support"), followAutoscalers(t, namespace, "support")
	service := testkit.Service(namespace, "support", testkit.WithReplicas(2, 9), func(s *v1alpha1.RAGService) {
		s.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{QueriesInFlight: new(int32(64))}
	})
	create(t, operator, service)
	seen.expect(t, 1, 2)
	has.expect(t, "support")
	autoscale(t, namespace, "support", 7)

	// To prometheus-adapter: it is the same autoscaler.
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling.MetricsSource = v1alpha1.MetricsSourcePrometheus })
	settle(t, operator)

	// To KEDA, which is not there yet: the former autoscaler scales on.
	edit(t, service, kedaScaling)
	missing := env.Condition(t, service, v1alpha1.ConditionScalingActive, metav1.ConditionFalse)
	if missing.Reason != v1alpha1.ReasonCRDNotInstalled {
		t.Errorf("ScalingActive says %s, want %s", missing.Reason, v1alpha1.ReasonCRDNotInstalled)
	}
	has.expect(t, "support")
	installKEDA(t)
	has.expect(t)
	adopt(t, namespace, "support")
	has.expect(t, "keda-hpa-support")
	active := env.Condition(t, service, v1alpha1.ConditionScalingActive, metav1.ConditionTrue)
	if want := "scales on queriesInFlight 12/64"; active.Message != want {
		t.Errorf("ScalingActive says %q, want %q", active.Message, want)
	}

	// The steady state writes nothing, and what somebody else changes is repaired.
	settle(t, operator)
	operator.Requests.Reset()
	touch(t, service)
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("a second pass wrote %v, want nothing", writes)
	}
	scaledObject := testkit.Object(build.ScaledObjectKind, namespace, "support")
	patchSoon(t, scaledObject, `{"spec":{"maxReplicaCount":3}}`)
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(scaledObject), scaledObject); err != nil {
			return err
		}
		if got := scaledObject.Object["spec"].(map[string]any)["maxReplicaCount"]; got != int64(9) {
			return fmt.Errorf("maxReplicaCount is %v, want 9", got)
		}
		return nil
	})

	// Back to the operator: its autoscaler comes once KEDA has let go.
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
		s.Scaling.MetricsSource, s.Scaling.KEDA = v1alpha1.MetricsSourceOperator, nil
	})
	env.Condition(t, service, v1alpha1.ConditionReconciling, metav1.ConditionTrue)
	settle(t, operator)
	has.expect(t, "keda-hpa-support")
	letGo(t, namespace, "support")
	has.expect(t, "support")
	settle(t, operator)
	seen.expect(t, 1, 2, 7)
	if ownsReplicas(t, namespace, "support") {
		t.Error("the operator owns the replicas of a service that scales")
	}
	if has.most != 1 {
		t.Errorf("the Deployment had %d autoscalers at once, want one at a time", has.most)
	}

	// To KEDA once more, and from there to a fixed size: that comes once KEDA has let
	// go, too.
	edit(t, service, kedaScaling)
	has.expect(t)
	adopt(t, namespace, "support")
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling = v1alpha1.Scaling{MinReplicas: 4, MaxReplicas: 4} })
	settle(t, operator)
	seen.expect(t, 1, 2, 7)
	letGo(t, namespace, "support")
	seen.expect(t, 1, 2, 7, 4)
	has.expect(t)
	if has.most != 1 {
		t.Errorf("the Deployment had %d autoscalers at once, want one at a time", has.most)
	}
}

// TestScaledToZero lets KEDA take the last replica, which is as it should be, and
// takes the service to a source that would leave it there.
func TestScaledToZero(t *testing.T) {
	installKEDA(t)
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	seen := follow(t, namespace, "support")
	service := testkit.Service(namespace, "support", testkit.WithReplicas(0, 9), func(s *v1alpha1.RAGService) {
		kedaScaling(&s.Spec)
		s.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{QueriesInFlight: new(int32(64))}
		s.Spec.Scaling.KEDA.Cron = []v1alpha1.CronWindow{{Timezone: "UTC", Start: "0 8 * * *", End: "0 18 * * *", Replicas: 2}}
	})
	create(t, operator, service)
	adopt(t, namespace, "support")
	autoscale(t, namespace, "support", 0)
	env.Roll(t, namespace, "support")
	ready := env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	if ready.Reason != v1alpha1.ReasonScaledToZero {
		t.Errorf("Ready says %s, want %s", ready.Reason, v1alpha1.ReasonScaledToZero)
	}
	settle(t, operator)
	seen.expect(t, 1, 0)

	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Scaling = v1alpha1.Scaling{MinReplicas: 2, MaxReplicas: 9} })
	letGo(t, namespace, "support")
	seen.expect(t, 1, 0, 2)
	testkit.Eventually(t, func(ctx context.Context) error {
		return env.Client.Get(ctx, client.ObjectKeyFromObject(service), &autoscalingv2.HorizontalPodAutoscaler{})
	})
	err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "keda-hpa-support"}, &autoscalingv2.HorizontalPodAutoscaler{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("KEDA's autoscaler is still there: %v", err)
	}
}
