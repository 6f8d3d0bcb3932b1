// Package fields knows which fields of an object the operator owns. When somebody
// else changes one of them, Kubernetes takes it off the operator's list; so an
// object is as the operator left it exactly when that list is still whole. This
// costs a digest instead of a comparison of objects, and is not misled by
// defaults, by other writers' fields or by a number spelt in another way.
package fields

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"ragops.dev/ragservice/controllers/internal/build"
)

var replicasPath = fieldpath.MakePathOrDie("spec", "replicas")

// neverOwned are fields that Kubernetes keeps out of every manager's list.
var neverOwned = fieldpath.NewSet(
	fieldpath.MakePathOrDie("apiVersion"),
	fieldpath.MakePathOrDie("kind"),
	fieldpath.MakePathOrDie("metadata"),
	fieldpath.MakePathOrDie("metadata", "name"),
	fieldpath.MakePathOrDie("metadata", "namespace"),
)

// Owned is what the operator owns of an object.
type Owned struct {
	// Digest identifies the set; empty where the operator never applied it.
	Digest string
	// Replicas is whether spec.replicas is in it.
	Replicas bool
}

// Of reads what the operator owns from an object's managed fields.
func Of(entries []metav1.ManagedFieldsEntry) (Owned, error) {
	for _, e := range entries {
		if e.Manager != build.FieldOwner || e.Operation != metav1.ManagedFieldsOperationApply || e.Subresource != "" || e.FieldsV1 == nil {
			continue
		}
		return ofSet(e.FieldsV1.GetRawBytes())
	}
	return Owned{}, nil
}

// read are the sets that were read last, by the hash of their text. What an apply
// returns comes again in a moment, as an event of the watch.
var read = lru.New(2048)

func ofSet(text []byte) (Owned, error) {
	key := sha256.Sum256(text)
	if known, ok := read.Get(key); ok {
		return known.(Owned), nil
	}
	set := fieldpath.NewSet()
	if err := set.FromJSON(bytes.NewReader(text)); err != nil {
		return Owned{}, fmt.Errorf("read the managed fields: %w", err)
	}
	digest, err := digest(set)
	if err != nil {
		return Owned{}, err
	}
	owned := Owned{Digest: digest, Replicas: set.Has(replicasPath)}
	read.Add(key, owned)
	return owned, nil
}

func digest(set *fieldpath.Set) (string, error) {
	data, err := set.ToJSON()
	if err != nil {
		return "", fmt.Errorf("encode a set of fields: %w", err)
	}
	return Hash(data), nil
}

// Hash shortens data to twelve hexadecimal characters.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:12]
}
