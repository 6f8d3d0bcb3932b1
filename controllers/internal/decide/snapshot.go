// Package decide says what should happen to a RAGService: which children to
// apply and to delete, and what to tell the user. It is pure: a decision depends
// on the snapshot and nothing else. It may not take a client, a clock or a
// context.
package decide

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
)

// Snapshot is all that is known of one RAGService at one time.
type Snapshot struct {
	Service *v1alpha1.RAGService
	// Content is the configuration of the query runtime; ContentError says why
	// there is none.
	Content      build.Content
	ContentError error
	// Objects that exist under the names of children.
	Objects map[Key]Object
	// Deployment, Redis, Embedding (the managed one) and Autoscaler with their status;
	// nil where they do not exist or are not the service's own.
	Deployment *appsv1.Deployment
	Redis      *appsv1.StatefulSet
	Embedding  *appsv1.Deployment
	Autoscaler *autoscalingv2.HorizontalPodAutoscaler
	// Configurations are the names of the service's own configuration ConfigMaps.
	Configurations []string
	// ConfigurationsInUse are the hashes that the Deployment's ReplicaSets mount.
	ConfigurationsInUse map[string]bool
	// References that the spec names, in its order.
	References []Resolved
	// RedisPassword identifies the password of the managed Redis; empty where
	// there is none yet.
	RedisPassword string
	// Measured is what the running pods report; nil where none was asked yet.
	Measured *Measured
	// MetricsAPI is what this operator knows of the custom metrics API; nil where it
	// does not serve it.
	MetricsAPI *MetricsAPI
	// Served are the optional kinds that the cluster knows.
	Served map[schema.GroupVersionKind]bool
	// RuntimeImage is the image that belongs to the operator's version.
	RuntimeImage string
	Operator     build.Operator
}

// MetricsAPI is the custom metrics API of the cluster, as a server of it sees it.
type MetricsAPI struct {
	// Rival names the service that has the API in this operator's stead; empty
	// where it is this operator's.
	Rival string
}

// Key names an object of the service's namespace.
type Key struct {
	Kind schema.GroupVersionKind
	Name string
}

// Object is what is known of an object beside its content.
type Object struct {
	UID             types.UID
	ResourceVersion string
	// Generation counts the changes of its spec.
	Generation int64
	Ownership  Ownership
	// Stamp is what the operator wrote on it when it applied it last.
	Stamp string
	// Fields identifies the set of fields that the operator owns of it. It
	// changes as soon as somebody else changes one of them.
	Fields string
	// Labelled is whether it carries the labels by which the operator finds it.
	Labelled bool
	// OwnsReplicas is whether spec.replicas is one of them.
	OwnsReplicas bool
}

// Ownership is whose an object is.
type Ownership int

const (
	// Own objects have the service as their controller.
	Own Ownership = iota
	// Orphaned objects carry the operator's labels and have no controller, as
	// kubectl delete --cascade=orphan leaves them: the service takes them back.
	Orphaned
	// Leftover objects are on their way out: deleted, or of a former service of
	// the same name.
	Leftover
	// Foreign objects are somebody else's.
	Foreign
)

// Resolved is a reference and what became of it.
type Resolved struct {
	build.Reference
	// Found is whether the object exists, HasKey whether it has the key.
	Found, HasKey bool
	// Digest identifies its content.
	Digest string
}
