package fields

import (
	"k8s.io/apimachinery/pkg/api/meta"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Annotations that exist in the operator's cache only.
const (
	digestAnnotation   = "cache.rag.ragops.dev/fields"
	replicasAnnotation = "cache.rag.ragops.dev/owns-replicas"
)

// Transform replaces the managed fields of an object that enters the cache, which
// are often most of its size, by what the operator wants to know of them.
func Transform(in any) (any, error) {
	object, err := meta.Accessor(in)
	if err != nil {
		return in, nil //nolint:nilerr // a tombstone of the cache is passed on as it is
	}
	owned, err := Of(object.GetManagedFields())
	if err != nil {
		return nil, err
	}
	object.SetManagedFields(nil)
	if owned.Digest == "" {
		return in, nil
	}
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[digestAnnotation] = owned.Digest
	if owned.Replicas {
		annotations[replicasAnnotation] = "true"
	}
	object.SetAnnotations(annotations)
	return in, nil
}

// Cached is what [Transform] noted, or what the managed fields say of an object
// that did not come through the cache.
func Cached(object metav1.Object) (Owned, error) {
	if len(object.GetManagedFields()) > 0 {
		return Of(object.GetManagedFields())
	}
	annotations := object.GetAnnotations()
	return Owned{Digest: annotations[digestAnnotation], Replicas: annotations[replicasAnnotation] == "true"}, nil
}
