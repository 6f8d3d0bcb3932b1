package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestManagedEmbedding follows a service with the longest name there may be and an
// embedding server of its own: the service is ready once both run, a server that has
// fallen short shows, a second pass writes nothing, and one that runs elsewhere takes
// its place without a trace.
func TestManagedEmbedding(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	name := strings.Repeat("n", 46)
	service := testkit.Service(namespace, name, testkit.WithManagedEmbedding, testkit.WithReplicas(1, 1))
	create(t, operator, service)
	env.Roll(t, namespace, name)
	testkit.Eventually(t, func(context.Context) error {
		unready := env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionFalse)
		if want := "0 of at least 2 replicas of the embedding server are available"; unready.Message != want {
			return fmt.Errorf("Ready says %q, want %q", unready.Message, want)
		}
		return nil
	})
	env.RollEmbedding(t, namespace, name)
	env.Condition(t, service, v1alpha1.ConditionEmbeddingAvailable, metav1.ConditionTrue)
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	settle(t, operator)
	operator.Requests.Reset()
	touch(t, service)
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("a second pass wrote %v, want nothing", writes)
	}

	edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
		s.Embedding.TextEmbeddingsInference = &v1alpha1.TextEmbeddingsInference{Endpoint: "http://elsewhere:8080", Model: "a"}
	})
	testkit.Eventually(t, func(ctx context.Context) error {
		names, err := env.Children(ctx, service)
		if i := slices.IndexFunc(names, func(child string) bool { return strings.HasSuffix(child, "-embedding") }); i >= 0 {
			return fmt.Errorf("%s is still there", names[i])
		}
		return err
	})
	env.Roll(t, namespace, name)
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// TestEmbeddingToken checks that the pods of the embedding server wait for the Secret
// that they are told to use, and nothing else does.
func TestEmbeddingToken(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedEmbedding, func(s *v1alpha1.RAGService) {
		s.Spec.Embedding.TextEmbeddingsInference.Server = &v1alpha1.EmbeddingServer{Token: &v1alpha1.SecretKey{Name: "hub", Key: "token"}}
	})
	create(t, operator, service)
	stalled := env.Condition(t, service, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	if want := "spec.embedding.textEmbeddingsInference.server.token: Secret hub does not exist: it is picked up as soon as it appears"; stalled.Message != want {
		t.Errorf("Stalled says %q, want %q", stalled.Message, want)
	}
	names := children(t, service)
	if !slices.Contains(names, "Deployment/support") || slices.Contains(names, "Deployment/support-embedding") {
		t.Errorf("children are %v, want the pods that answer and not those that embed", names)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "hub"}, Data: map[string][]byte{"token": []byte("hf_a")}}
	if err := env.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	env.Roll(t, namespace, "support")
	env.RollEmbedding(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// TestEmbeddingReplicas switches the autoscaler of an embedding server on and off and
// changes its range: the number that the autoscaler gave it stays until a fixed size
// replaces it.
func TestEmbeddingReplicas(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedEmbedding)
	create(t, operator, service)
	seen := follow(t, namespace, "support-embedding")
	seen.expect(t, 2)
	scale := func(n int32) {
		t.Helper()
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "support-embedding"}}
		body := &autoscalingv1.Scale{ObjectMeta: d.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: n}}
		if err := env.Client.SubResource("scale").Update(t.Context(), d, client.WithSubResourceBody(body), client.FieldOwner("kube-controller-manager")); err != nil {
			t.Fatal(err)
		}
	}
	size := func(least, most int32) {
		t.Helper()
		edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
			s.Embedding.TextEmbeddingsInference.Server = &v1alpha1.EmbeddingServer{MinReplicas: &least, MaxReplicas: &most}
		})
		settle(t, operator)
	}
	scale(4)
	size(2, 6)
	seen.expect(t, 2, 4)
	size(3, 3)
	seen.expect(t, 2, 4, 3)
	size(1, 9)
	seen.expect(t, 2, 4, 3)
	scale(7)
	size(1, 8)
	seen.expect(t, 2, 4, 3, 7)
}
