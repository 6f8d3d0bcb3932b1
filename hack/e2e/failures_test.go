package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// embedded is a RAGService of one replica that answers from the ConfigMap of its
// own name.
func embedded(namespace, name string) *v1alpha1.RAGService {
	service := &v1alpha1.RAGService{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	service.Spec.Model.Extractive = &v1alpha1.ExtractiveModel{}
	service.Spec.Embedding.Lexical = &v1alpha1.LexicalEmbedding{}
	service.Spec.VectorStore.Memory = &v1alpha1.MemoryStore{
		Documents: []v1alpha1.DocumentSource{{ConfigMap: v1alpha1.ConfigMapSource{Name: name}}},
	}
	service.Spec.Scaling = v1alpha1.Scaling{MinReplicas: 1, MaxReplicas: 1}
	service.Spec.Workload.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}
	return service
}

func documents(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Data: map[string]string{
			"returns.md": "# Returns\n\nAn article can be sent back within thirty days of its delivery. The refund takes a week.\n",
		},
	}
}

const aboutReturns = "How long can I send an article back?"

// A Redis that is not there costs answers nothing but the cache.
func TestUnreachableRedis(t *testing.T) {
	const namespace, name = "e2e-unreachable-redis", "shop"
	newNamespace(t, namespace)
	service := embedded(namespace, name)
	service.Spec.Cache = &v1alpha1.Cache{Redis: &v1alpha1.Redis{External: &v1alpha1.ExternalRedis{
		Addresses: []string{"nowhere." + namespace + ".svc:6379"},
	}}}
	for _, create := range []func() error{
		func() error { return cluster.client.Create(t.Context(), documents(namespace, name)) },
		func() error { return cluster.client.Create(t.Context(), service) },
	} {
		if err := create(); err != nil {
			t.Fatal(err)
		}
	}
	waitReady(t, namespace, name)
	for range 5 {
		begin := time.Now()
		response := mustQuery(t, namespace, name, aboutReturns)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("without Redis an answer takes %s", took)
		}
		if !strings.Contains(string(response.body), "thirty days") {
			t.Errorf("the answer is %s", response.body)
		}
	}
	eventually(t, time.Minute, "the condition tells", func(ctx context.Context) error {
		now, err := get(ctx, namespace, name)
		if err != nil {
			return err
		}
		return errors.Join(
			hasCondition(now, v1alpha1.ConditionCacheAvailable, metav1.ConditionFalse, ""),
			hasCondition(now, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
		)
	})
}

// A reference to what is not there is told, and followed once it is.
func TestMissingDocuments(t *testing.T) {
	const namespace, name = "e2e-missing-documents", "shop"
	newNamespace(t, namespace)
	if err := cluster.client.Create(t.Context(), embedded(namespace, name)); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the condition tells", func(ctx context.Context) error {
		service, err := get(ctx, namespace, name)
		if err != nil {
			return err
		}
		if err := hasCondition(service, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotFound); err != nil {
			return err
		}
		if message := meta.FindStatusCondition(service.Status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, name) {
			return errors.New("the message does not name the ConfigMap: " + message)
		}
		return nil
	})
	if err := cluster.client.Create(t.Context(), documents(namespace, name)); err != nil {
		t.Fatal(err)
	}
	waitReady(t, namespace, name)
	mustQuery(t, namespace, name, aboutReturns)
}
