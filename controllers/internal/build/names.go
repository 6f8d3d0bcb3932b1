package build

import (
	"maps"

	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// FieldOwner is the one field manager of all that the operator applies.
const FieldOwner = "ragservice-operator"

// Labels and annotations of the children.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelConfig is on pods, and so on their ReplicaSets: the hash of the
	// configuration that they mount. A ConfigMap is kept as long as a ReplicaSet
	// names it.
	LabelConfig = "rag.ragops.dev/config"
	// AnnotationDocuments is on pods: what fills their memory store.
	AnnotationDocuments = "rag.ragops.dev/documents"
	// AnnotationPassword is on the pods of the managed Redis: which password they
	// were started with, not the password.
	AnnotationPassword = "rag.ragops.dev/password"
	// AnnotationRuntimeImage is on the Deployment: the image that the operator
	// chose for it, kept across upgrades of the operator.
	AnnotationRuntimeImage = "rag.ragops.dev/runtime-image"
	// AnnotationEmbeddingImage is likewise on the Deployment of the embedding server.
	AnnotationEmbeddingImage = "rag.ragops.dev/embedding-image"
)

// Components of a service, the values of [LabelComponent].
const (
	ComponentRuntime = "runtime"
	ComponentRedis   = "redis"
	// ComponentEmbedding is the managed Text Embeddings Inference.
	ComponentEmbedding = "embedding"
	ComponentConfig    = "config"
	// ComponentDashboard is the ConfigMap with the dashboard.
	ComponentDashboard = "dashboard"
)

// Ports of the query runtime.
const (
	QueryPort = 8080
	AdminPort = 9090
)

const (
	queryPortName = "http"
	// AdminPortName names the container port of probes, metrics and status.
	AdminPortName = "admin"
	redisPort     = 6379
)

// RedisName is the name of everything that belongs to the managed Redis.
func RedisName(s *v1alpha1.RAGService) string { return s.Name + "-redis" }

// Selector finds the pods of one component. It never changes: selectors of
// workloads are immutable.
func Selector(s *v1alpha1.RAGService, component string) map[string]string {
	return map[string]string{LabelName: "ragservice", LabelInstance: s.Name, LabelComponent: component}
}

// labels of a child.
func labels(s *v1alpha1.RAGService, component string) map[string]string {
	l := Selector(s, component)
	l[LabelManagedBy] = FieldOwner
	return l
}

// podLabels are the child's own on top of what the user adds: a selector must
// keep finding its pods.
func podLabels(s *v1alpha1.RAGService, component string, extra map[string]string) map[string]string {
	l := maps.Clone(extra)
	if l == nil {
		l = map[string]string{}
	}
	maps.Copy(l, labels(s, component))
	return l
}

// owner makes the service the controller of a child, so that deleting the
// service deletes the child.
func owner(s *v1alpha1.RAGService) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.SchemeGroupVersion.String()).
		WithKind("RAGService").
		WithName(s.Name).
		WithUID(s.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}
