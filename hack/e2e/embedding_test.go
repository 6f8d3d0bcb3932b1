package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// TestManagedEmbedding has the operator run an embedding server, in the place of which
// a program stands that speaks its API and gives the same vector for every text: the
// pods pass the restricted level, the documents and a question are embedded by it, and
// it goes when it is not asked for any more.
func TestManagedEmbedding(t *testing.T) {
	const namespace, name = "ragservice-embedding", "own"
	const passage = "An article can be kept for thirty days."
	newNamespace(t, namespace)
	create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "returns"}, Data: map[string]string{"returns.md": passage}})
	service := &v1alpha1.RAGService{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.RAGServiceSpec{
			Model: v1alpha1.Model{ModelProvider: v1alpha1.ModelProvider{Extractive: &v1alpha1.ExtractiveModel{}}},
			Embedding: v1alpha1.Embedding{
				TextEmbeddingsInference: &v1alpha1.TextEmbeddingsInference{
					Model: "sentence-transformers/all-MiniLM-L6-v2",
					Server: &v1alpha1.EmbeddingServer{
						Image:       "ragservice-externals:dev",
						MinReplicas: new(int32(1)),
						MaxReplicas: new(int32(1)),
						Resources: &corev1.ResourceRequirements{
							Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
						},
					},
				},
				Dimensions: new(int32(384)),
			},
			VectorStore: v1alpha1.VectorStore{Memory: &v1alpha1.MemoryStore{Documents: []v1alpha1.DocumentSource{{ConfigMap: v1alpha1.ConfigMapSource{Name: "returns"}}}}},
			Scaling:     v1alpha1.Scaling{MinReplicas: 1, MaxReplicas: 1},
		},
	}
	create(t, service)
	waitReady(t, namespace, name)
	eventually(t, time.Minute, "the pods reach it", func(ctx context.Context) error {
		service, err := get(ctx, namespace, name)
		if err != nil {
			return err
		}
		return errors.Join(
			hasCondition(service, v1alpha1.ConditionEmbeddingAvailable, metav1.ConditionTrue, ""),
			hasCondition(service, v1alpha1.ConditionDependenciesReachable, metav1.ConditionTrue, ""),
		)
	})
	if response := mustQuery(t, namespace, name, "How long may I keep it?"); !strings.Contains(string(response.body), passage) {
		t.Errorf("the passage is not in the answer: %s", response.body)
	}

	eventually(t, time.Minute, "words do", func(ctx context.Context) error {
		service, err := get(ctx, namespace, name)
		if err != nil {
			return err
		}
		service.Spec.Embedding = v1alpha1.Embedding{Lexical: &v1alpha1.LexicalEmbedding{}}
		return cluster.client.Update(ctx, service)
	})
	eventually(t, time.Minute, "the embedding server is gone", func(ctx context.Context) error {
		err := cluster.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name + "-embedding"}, &appsv1.Deployment{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
	waitReady(t, namespace, name)
}
