package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// The sample, as config/samples/embedded has it.
const (
	sampleNamespace = "ragservice-demo"
	sampleName      = "docs"
)

// TestSample follows the embedded sample from its creation to its deletion. The
// steps build on each other, so the first that fails ends the test.
func TestSample(t *testing.T) {
	deleteNamespace(t, sampleNamespace)
	if _, err := kubectl(t.Context(), "apply", "--server-side", "--kustomize", "../../config/samples/embedded"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteNamespaceNow(t, sampleNamespace) })

	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"it becomes ready", sampleBecomesReady},
		{"the namespace enforces the restricted level", sampleNamespaceIsRestricted},
		{"the legacy answer has its four fields and no more", sampleAnswersAsBefore},
		{"a repeated question is answered from the cache", sampleAnswersFromCache},
		{"Redis holds the answer under a versioned key for as long as it may", sampleIsInRedis},
		{"kubectl get rag shows it", sampleIsShown},
		{"kubectl rag asks it, shows it and offers its name", sampleAnswersOnTheCommandLine},
		{"the autoscaler sees its load and holds the replicas", sampleScales},
		{"every child that is deleted comes back", sampleChildrenComeBack},
		{"an edited spec rolls out without a failed query", sampleRolls},
		{"legacy keys are shared with the service before it", sampleSharesLegacyKeys},
		{"its deletion leaves nothing behind", sampleLeavesNothing},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			t.Fatalf("the steps after %q need it", step.name)
		}
	}
}

func deleteNamespaceNow(t *testing.T, name string) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := cluster.client.Delete(context.WithoutCancel(t.Context()), namespace); client.IgnoreNotFound(err) != nil {
		t.Error(err)
	}
}

func sampleBecomesReady(t *testing.T) {
	waitReady(t, sampleNamespace, sampleName)
	eventually(t, time.Minute, "nothing is under way", func(ctx context.Context) error {
		service, err := get(ctx, sampleNamespace, sampleName)
		if err != nil {
			return err
		}
		for _, passing := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
			if condition := meta.FindStatusCondition(service.Status.Conditions, passing); condition != nil {
				return fmt.Errorf("%s is there: %s", passing, condition.Message)
			}
		}
		if service.Status.ReadyReplicas != service.Spec.Scaling.MinReplicas {
			return fmt.Errorf("%d replicas are ready, want %d", service.Status.ReadyReplicas, service.Spec.Scaling.MinReplicas)
		}
		return errors.Join(
			hasCondition(service, v1alpha1.ConditionRuntimeAvailable, metav1.ConditionTrue, ""),
			hasCondition(service, v1alpha1.ConditionCacheAvailable, metav1.ConditionTrue, ""),
			hasCondition(service, v1alpha1.ConditionDependenciesReachable, metav1.ConditionTrue, ""),
		)
	})
}

func sampleNamespaceIsRestricted(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "careless", Namespace: sampleNamespace},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "careless", Image: "ragservice-runtime:dev"}}},
	}
	err := cluster.client.Create(t.Context(), pod, client.DryRunAll)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "restricted") {
		t.Errorf("a pod without security settings gets %v, want it forbidden", err)
	}
}

const question = "What happens when Redis is down?"

func sampleAnswersAsBefore(t *testing.T) {
	response := mustQuery(t, sampleNamespace, sampleName, question)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(response.body, &fields); err != nil {
		t.Fatalf("%v in %s", err, response.body)
	}
	want := []string{"answer", "context", "query", "timestamp"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(fields))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	var body struct {
		Query     string
		Answer    string
		Context   []string
		Timestamp time.Time
	}
	if err := json.Unmarshal(response.body, &body); err != nil {
		t.Fatalf("%v in %s", err, response.body)
	}
	if body.Query != question || body.Answer == "" || len(body.Context) == 0 || body.Timestamp.IsZero() {
		t.Errorf("an empty field, or another question, in %s", response.body)
	}
	if !strings.Contains(strings.Join(body.Context, "\n"), "Redis") {
		t.Errorf("no passage is about Redis: %q", body.Context)
	}
}

func sampleAnswersFromCache(t *testing.T) {
	// The write to Redis is behind the answer, and each replica has a memory
	// of its own: a hit comes soon, and from then on from every replica.
	eventually(t, 30*time.Second, "the cache answers", func(context.Context) error {
		response := mustQuery(t, sampleNamespace, sampleName, question)
		if from := response.header.Get("X-Cache"); !strings.HasPrefix(from, "HIT-") {
			return fmt.Errorf("X-Cache is %q", from)
		}
		return nil
	})
	for range 10 {
		response := mustQuery(t, sampleNamespace, sampleName, question)
		if from := response.header.Get("X-Cache"); !strings.HasPrefix(from, "HIT-") {
			t.Errorf("after a hit X-Cache is %q", from)
		}
		if _, err := strconv.Atoi(response.header.Get("Age")); err != nil {
			t.Errorf("the Age of a cached answer is %q", response.header.Get("Age"))
		}
	}
}

func sampleIsInRedis(t *testing.T) {
	keys, err := redis(t.Context(), sampleNamespace, sampleName, "--scan", "--pattern", "rag:v1:*")
	if err != nil {
		t.Fatal(err)
	}
	if keys == "" {
		t.Fatal("there is no key rag:v1:…")
	}
	expiring := 0
	for key := range strings.FieldsSeq(keys) {
		output, err := redis(t.Context(), sampleNamespace, sampleName, "TTL", key)
		if err != nil {
			t.Fatal(err)
		}
		ttl, err := strconv.Atoi(output)
		if err != nil {
			t.Fatal(err)
		}
		if ttl > 300 {
			t.Errorf("%s lives for %d s, want the sample's 300 at most", key, ttl)
		}
		if ttl > 0 {
			expiring++
		}
	}
	if expiring == 0 {
		t.Errorf("no key expires: %s", keys)
	}
	// legacyKeys is off: the name that the service before used stays free.
	if legacy, err := redis(t.Context(), sampleNamespace, sampleName, "--scan", "--pattern", "cache:*"); err != nil || legacy != "" {
		t.Errorf("legacy keys are off, and there is %q (%v)", legacy, err)
	}
}

func sampleIsShown(t *testing.T) {
	output, err := kubectl(t.Context(), "get", "rag", sampleName, "--namespace", sampleNamespace)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	header, row := strings.Fields(lines[0]), strings.Fields(lines[len(lines)-1])
	want := []string{"NAME", "READY", "REPLICAS", "QPS", "P95", "HIT", "MODEL", "AGE"}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if len(row) < 2 || row[0] != sampleName || row[1] != "True" {
		t.Errorf("the row is %q, want %s READY True", row, sampleName)
	}
}

func sampleScales(t *testing.T) {
	key := client.ObjectKey{Namespace: sampleNamespace, Name: sampleName}
	eventually(t, 2*time.Minute, "the autoscaler sees the CPU", func(ctx context.Context) error {
		var scaler autoscalingv2.HorizontalPodAutoscaler
		if err := cluster.client.Get(ctx, key, &scaler); err != nil {
			return err
		}
		for _, metric := range scaler.Status.CurrentMetrics {
			if metric.Resource != nil && metric.Resource.Name == corev1.ResourceCPU && metric.Resource.Current.AverageUtilization != nil {
				return nil
			}
		}
		return fmt.Errorf("it sees %v; its conditions are %v", scaler.Status.CurrentMetrics, scaler.Status.Conditions)
	})
	eventually(t, time.Minute, "ScalingActive is True", func(ctx context.Context) error {
		service, err := get(ctx, sampleNamespace, sampleName)
		if err != nil {
			return err
		}
		return hasCondition(service, v1alpha1.ConditionScalingActive, metav1.ConditionTrue, "")
	})
	var deployment appsv1.Deployment
	if err := cluster.client.Get(t.Context(), key, &deployment); err != nil {
		t.Fatal(err)
	}
	for _, entry := range deployment.ManagedFields {
		if entry.Manager == "ragservice-operator" && entry.FieldsV1 != nil && strings.Contains(entry.FieldsV1.GetRawString(), `"f:replicas"`) {
			t.Errorf("the operator owns the replicas while the autoscaler holds them: %s", entry.Operation)
		}
	}
}

// childKinds are what the sample has at least one of.
var childKinds = []string{
	"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget",
	"Secret", "Service", "ServiceAccount", "StatefulSet",
}

func sampleChildrenComeBack(t *testing.T) {
	service, err := get(t.Context(), sampleNamespace, sampleName)
	if err != nil {
		t.Fatal(err)
	}
	before, err := children(t.Context(), service.Namespace, service.UID)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, child := range before {
		kinds[child.Kind] = true
	}
	if diff := cmp.Diff(childKinds, slices.Sorted(maps.Keys(kinds))); diff != "" {
		t.Fatalf("kinds of children (-want +got):\n%s", diff)
	}
	for _, child := range before {
		if err := client.IgnoreNotFound(cluster.client.Delete(t.Context(), &child, client.PropagationPolicy(metav1.DeletePropagationBackground))); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Minute, "every child is there again", func(ctx context.Context) error {
		after, err := children(ctx, service.Namespace, service.UID)
		if err != nil {
			return err
		}
		fresh := map[string]types.UID{}
		for _, child := range after {
			fresh[child.Kind+"/"+child.Name] = child.UID
		}
		var errs []error
		for _, child := range before {
			name := child.Kind + "/" + child.Name
			if uid, ok := fresh[name]; !ok || uid == child.UID {
				errs = append(errs, fmt.Errorf("%s is not there anew", name))
			}
		}
		return errors.Join(errs...)
	})
	// What was Ready before must be so on what is there now.
	eventually(t, 3*time.Minute, "the new Deployment is available", func(ctx context.Context) error {
		var deployment appsv1.Deployment
		if err := cluster.client.Get(ctx, client.ObjectKey{Namespace: sampleNamespace, Name: sampleName}, &deployment); err != nil {
			return err
		}
		if ready := deployment.Status.ReadyReplicas; ready < service.Spec.Scaling.MinReplicas {
			return fmt.Errorf("%d replicas are ready", ready)
		}
		return nil
	})
	waitReady(t, sampleNamespace, sampleName)
	mustQuery(t, sampleNamespace, sampleName, question)
}

func sampleLeavesNothing(t *testing.T) {
	service, err := get(t.Context(), sampleNamespace, sampleName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl(t.Context(), "delete", "rag", sampleName, "--namespace", sampleNamespace, "--timeout=2m"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, "nothing is left", func(ctx context.Context) error {
		left, err := labelled(ctx, sampleNamespace, sampleName)
		if err != nil {
			return err
		}
		owned, err := children(ctx, sampleNamespace, service.UID)
		if err != nil {
			return err
		}
		var names []string
		for _, object := range append(left, owned...) {
			names = append(names, object.Kind+"/"+object.Name)
		}
		if len(names) > 0 {
			return fmt.Errorf("there is still %s", strings.Join(names, ", "))
		}
		return nil
	})
	// What the user made is the user's.
	var documents corev1.ConfigMap
	if err := cluster.client.Get(t.Context(), client.ObjectKey{Namespace: sampleNamespace, Name: "ragservice-docs"}, &documents); err != nil {
		t.Errorf("the documents: %v", err)
	}
}
