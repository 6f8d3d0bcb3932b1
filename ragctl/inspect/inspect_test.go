package inspect

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"ragops.dev/ragservice/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files")

func ownedBy(kind, name string, uid types.UID) metav1.ObjectMeta {
	return metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: name, UID: uid, Controller: new(true)}}}
}

func named(m metav1.ObjectMeta, name string, uid types.UID) metav1.ObjectMeta {
	m.Namespace, m.Name, m.UID = "rag", name, uid
	return m
}

func objects() []client.Object {
	byService := ownedBy("RAGService", "support", "service")
	pod := func(name string, owner types.UID) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: named(ownedBy("ReplicaSet", "rs", owner), name, types.UID(name))}
	}
	ready, waiting := pod("support-new-a", "rs-new"), pod("support-new-b", "rs-new")
	ready.Status = corev1.PodStatus{
		Phase:             corev1.PodRunning,
		Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "runtime", RestartCount: 3}},
	}
	waiting.Status = corev1.PodStatus{
		Phase: corev1.PodPending,
		ContainerStatuses: []corev1.ContainerStatus{{Name: "runtime", State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image\nsecond line"},
		}}},
	}
	return []client.Object{
		&v1alpha1.RAGService{
			ObjectMeta: metav1.ObjectMeta{Namespace: "rag", Name: "support", UID: "service", Generation: 3},
			Status: v1alpha1.RAGServiceStatus{
				ObservedGeneration: 2, Replicas: 2, ReadyReplicas: 1,
				Endpoint: "http://support.rag.svc:8080", Model: "gpt-4o-mini", RuntimeVersion: "ragservice/runtime:v1",
				Conditions: []metav1.Condition{
					{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, Message: "answers queries"},
					{Type: v1alpha1.ConditionCacheAvailable, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNotReachable, Message: "Redis is gone\nmore"},
				},
				Load: &v1alpha1.LoadStatus{QueriesPerSecond: "12.5", QueriesInFlight: 3, P95Latency: "210ms"},
				Objectives: []v1alpha1.ObjectiveStatus{
					{Name: "p95Latency", Target: "2s", Observed: "210ms", Met: new(true)},
					{Name: "cacheHitRatio", Target: "0.70", Observed: "0.41", Met: new(false)},
					{Name: "successRatio", Target: "0.99"},
				},
			},
		},
		&appsv1.Deployment{
			ObjectMeta: named(byService, "support", "deployment"),
			Spec:       appsv1.DeploymentSpec{Replicas: new(int32(2))},
			Status:     appsv1.DeploymentStatus{ReadyReplicas: 1},
		},
		&appsv1.ReplicaSet{ObjectMeta: named(ownedBy("Deployment", "support", "deployment"), "support-old", "rs-old")},
		&appsv1.ReplicaSet{
			ObjectMeta: named(ownedBy("Deployment", "support", "deployment"), "support-new", "rs-new"),
			Spec:       appsv1.ReplicaSetSpec{Replicas: new(int32(2))},
			Status:     appsv1.ReplicaSetStatus{ReadyReplicas: 1},
		},
		ready, waiting,
		&corev1.Service{ObjectMeta: named(byService, "support", "svc"), Spec: corev1.ServiceSpec{ClusterIP: "198.19.0.7"}},
		&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: named(byService, "support", "hpa"),
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: new(int32(2)), MaxReplicas: 10, Metrics: []autoscalingv2.MetricSpec{
				{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
					Name: "cpu", Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80))}}},
				{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "rag_queries_per_second"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(resource.MustParse("100"))}}},
			}},
			Status: autoscalingv2.HorizontalPodAutoscalerStatus{
				CurrentReplicas: 2, DesiredReplicas: 2,
				CurrentMetrics: []autoscalingv2.MetricStatus{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricStatus{
					Name: "cpu", Current: autoscalingv2.MetricValueStatus{AverageUtilization: new(int32(31))}}}},
				Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
					{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue},
					{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Message: "no metrics returned"},
					{Type: autoscalingv2.ScalingLimited, Status: corev1.ConditionFalse},
				},
			},
		},
		&appsv1.Deployment{
			ObjectMeta: named(byService, "support-embedding", "embedding"),
			Spec:       appsv1.DeploymentSpec{Replicas: new(int32(2))},
			Status:     appsv1.DeploymentStatus{ReadyReplicas: 2},
		},
		&autoscalingv2.HorizontalPodAutoscaler{
			// Listed ahead of the runtime's, so that the first is not the right one.
			ObjectMeta: named(byService, "embedding-of-support", "embedding-hpa"),
			Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: new(int32(2)), MaxReplicas: 4},
			Status:     autoscalingv2.HorizontalPodAutoscalerStatus{CurrentReplicas: 2, DesiredReplicas: 2},
		},
		&corev1.ConfigMap{ObjectMeta: named(byService, "support-config-0123456789", "cm")},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "rag", Name: "somebody-elses"}},
	}
}

// kedaObjects are a service that KEDA scales, and that KEDA has not got to measure.
func kedaObjects() []client.Object {
	byService := ownedBy("RAGService", "night", "service")
	scaledObject := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Ready", "status": "False", "message": "Triggers defined in ScaledObject are not working correctly\nmore"},
			map[string]any{"type": "Active", "status": "Unknown"},
		}},
	}}
	meta := named(byService, "night", "scaledobject")
	scaledObject.SetNamespace(meta.Namespace)
	scaledObject.SetName(meta.Name)
	scaledObject.SetUID(meta.UID)
	scaledObject.SetOwnerReferences(meta.OwnerReferences)
	return []client.Object{
		&v1alpha1.RAGService{
			ObjectMeta: metav1.ObjectMeta{Namespace: "rag", Name: "night", UID: "service", Generation: 1},
			Spec:       v1alpha1.RAGServiceSpec{Scaling: v1alpha1.Scaling{MaxReplicas: 4, MetricsSource: v1alpha1.MetricsSourceKEDA}},
			Status:     v1alpha1.RAGServiceStatus{ObservedGeneration: 1},
		},
		&appsv1.Deployment{ObjectMeta: named(byService, "night", "deployment"), Spec: appsv1.DeploymentSpec{Replicas: new(int32(0))}},
		scaledObject,
		&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: named(ownedBy("ScaledObject", "night", "scaledobject"), "keda-hpa-night", "hpa"),
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: new(int32(1)), MaxReplicas: 4, Metrics: []autoscalingv2.MetricSpec{
				{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{
					Metric: autoscalingv2.MetricIdentifier{Name: "s0-prometheus"},
					Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: new(resource.MustParse("50"))}}},
			}},
			Status: autoscalingv2.HorizontalPodAutoscalerStatus{
				CurrentMetrics: []autoscalingv2.MetricStatus{{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricStatus{
					Metric: autoscalingv2.MetricIdentifier{Name: "s0-prometheus"}, Current: autoscalingv2.MetricValueStatus{AverageValue: new(resource.MustParse("12500m"))}}}},
				Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{
					{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionFalse, Reason: "ScalingDisabled", Message: "scaling is disabled since the replica count of the target is zero"},
				},
			},
		},
	}
}

// TestReport reads clusters that the fake client of controller-runtime stands in
// for, since every state of every object can be set there, and compares what a
// person sees with a golden file.
func TestReport(t *testing.T) {
	for _, tt := range []struct {
		service, golden string
		objects         []client.Object
	}{
		{"support", "report.txt", objects()},
		{"night", "report-keda.txt", kedaObjects()},
	} {
		t.Run(tt.service, func(t *testing.T) {
			reader := fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(tt.objects...).Build()
			report, err := Collect(t.Context(), reader, types.NamespacedName{Namespace: "rag", Name: tt.service})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := report.Print(&got); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tt.golden)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// TestScaledObjectState shows what KEDA says before it looked and once all is well.
func TestScaledObjectState(t *testing.T) {
	for _, tt := range []struct {
		name, status, want string
		wantTrouble        bool
	}{
		{name: "not looked at", want: "KEDA has not looked yet", wantTrouble: true},
		{name: "well", status: "True", want: "Ready"},
		{name: "in trouble", status: "False", want: "not ready: no such query", wantTrouble: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{}}
			if tt.status != "" {
				object.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": tt.status, "message": "no such query"}}}
			}
			if got, trouble := scaledObjectState(object); got != tt.want || trouble != tt.wantTrouble {
				t.Errorf("got %q, trouble %t, want %q, %t", got, trouble, tt.want, tt.wantTrouble)
			}
		})
	}
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	scaledObject := schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"}
	scheme.AddKnownTypeWithName(scaledObject, &unstructured.Unstructured{})
	scheme.AddKnownTypeWithName(scaledObject.GroupVersion().WithKind("ScaledObjectList"), &unstructured.UnstructuredList{})
	return scheme
}

func TestCollectNotFound(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).Build()
	_, err := Collect(t.Context(), reader, types.NamespacedName{Namespace: "rag", Name: "none"})
	if client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("got %v, want not found", err)
	}
}
