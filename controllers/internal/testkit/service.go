package testkit

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Service is the smallest RAGService there is, adjusted by changes: embedded
// providers, an OpenAI-compatible model without a key, no cache, fixed size.
func Service(namespace, name string, changes ...func(*v1alpha1.RAGService)) *v1alpha1.RAGService {
	s := &v1alpha1.RAGService{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.RAGServiceSpec{
			Model:       v1alpha1.Model{ModelProvider: v1alpha1.ModelProvider{Extractive: &v1alpha1.ExtractiveModel{}}},
			Embedding:   v1alpha1.Embedding{Lexical: &v1alpha1.LexicalEmbedding{}},
			VectorStore: v1alpha1.VectorStore{HTTP: &v1alpha1.HTTPStore{URL: "http://vectors:8000/query"}},
		},
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// WithReplicas sets the range of replicas.
func WithReplicas(minimum, maximum int32) func(*v1alpha1.RAGService) {
	return func(s *v1alpha1.RAGService) {
		s.Spec.Scaling.MinReplicas, s.Spec.Scaling.MaxReplicas = minimum, maximum
	}
}

// WithManagedRedis caches in a Redis that the operator runs.
func WithManagedRedis(s *v1alpha1.RAGService) {
	s.Spec.Cache = &v1alpha1.Cache{Redis: &v1alpha1.Redis{Managed: &v1alpha1.ManagedRedis{}}}
}

// WithManagedEmbedding has a model served by the operator.
func WithManagedEmbedding(s *v1alpha1.RAGService) {
	s.Spec.Embedding = v1alpha1.Embedding{TextEmbeddingsInference: &v1alpha1.TextEmbeddingsInference{Model: "sentence-transformers/all-MiniLM-L6-v2"}}
}

// WithServiceMonitor asks for a ServiceMonitor.
func WithServiceMonitor(s *v1alpha1.RAGService) {
	s.Spec.Monitoring.ServiceMonitor = &v1alpha1.ServiceMonitor{}
}

// WithEverything asks for all that there is beside what needs a Secret or a
// ConfigMap of the user; exposed by an Ingress.
func WithEverything(s *v1alpha1.RAGService) {
	WithManagedRedis(s)
	WithServiceMonitor(s)
	s.Spec.Monitoring.Alerts = &v1alpha1.Alerts{}
	s.Spec.Monitoring.Dashboard = &v1alpha1.Dashboard{}
	s.Spec.Exposure = &v1alpha1.Exposure{Hosts: []string{"support.example.com"}, Ingress: &v1alpha1.IngressExposure{ClassName: "nginx"}}
}

// WithGateway exposes the service by an HTTPRoute.
func WithGateway(s *v1alpha1.RAGService) {
	s.Spec.Exposure = &v1alpha1.Exposure{Gateway: &v1alpha1.GatewayExposure{Name: "public"}}
}

// WithDocuments fills a memory store from ConfigMaps.
func WithDocuments(configMaps ...string) func(*v1alpha1.RAGService) {
	return func(s *v1alpha1.RAGService) {
		s.Spec.VectorStore = v1alpha1.VectorStore{Memory: &v1alpha1.MemoryStore{}}
		for _, name := range configMaps {
			s.Spec.VectorStore.Memory.Documents = append(s.Spec.VectorStore.Memory.Documents,
				v1alpha1.DocumentSource{ConfigMap: v1alpha1.ConfigMapSource{Name: name}})
		}
	}
}
