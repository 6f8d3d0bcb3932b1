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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
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
		set := fieldpath.NewSet()
		if err := set.FromJSON(bytes.NewReader(e.FieldsV1.GetRawBytes())); err != nil {
			return Owned{}, fmt.Errorf("read the managed fields: %w", err)
		}
		digest, err := digest(set)
		return Owned{Digest: digest, Replicas: set.Has(replicasPath)}, err
	}
	return Owned{}, nil
}

// Predictor tells what the operator will own of an object once it has applied it.
type Predictor struct{ typed, deduced managedfields.TypeConverter }

// NewPredictor makes a predictor for the built-in kinds of the scheme, with the
// schema that client-go brings, and for custom kinds, whose lists count as whole.
func NewPredictor(scheme *runtime.Scheme) *Predictor {
	return &Predictor{typed: applyconfigurations.NewTypeConverter(scheme), deduced: managedfields.NewDeducedTypeConverter()}
}

// Predict is the digest of the fields that a configuration will own.
func (p *Predictor) Predict(config *unstructured.Unstructured, custom bool) (string, error) {
	converter := p.typed
	if custom {
		converter = p.deduced
	}
	value, err := converter.ObjectToTyped(config)
	if err != nil {
		return "", fmt.Errorf("type the configuration of %s %s: %w", config.GetKind(), config.GetName(), err)
	}
	set, err := value.ToFieldSet()
	if err != nil {
		return "", fmt.Errorf("list the fields of %s %s: %w", config.GetKind(), config.GetName(), err)
	}
	return digest(set.Difference(neverOwned))
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
