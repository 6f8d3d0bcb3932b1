// Package apply writes children to the cluster: with server-side apply, under one
// field owner, and only where something would change. It decides nothing.
package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/fields"
	"ragops.dev/ragservice/controllers/internal/kinds"
)

// Annotation holds what was applied last: a hash of the configuration and a digest
// of the fields it owns.
const Annotation = "rag.ragops.dev/applied"

// handOverOwner holds spec.replicas from when the operator lets go of it until the
// autoscaler first changes it.
const handOverOwner = "ragservice-operator-handover"

// unmade is a resource version that no object has: the first revision of etcd, 1, is
// that of a store without any. An object that is applied with it is made where there
// is none of its name. Where there is one the API server answers a conflict, however
// late it came: that is its check of resource versions before an update, see Update in
// k8s.io/apiserver/pkg/registry/generic/registry/store.go, which an apply goes through.
const unmade = "1"

// ErrTaken is that there is an object of the name of a child, of which the cache shows
// nothing. It was not touched. [Written.Taken] tells the next observation to look.
var ErrTaken = errors.New("there is such an object already")

// Result is what became of a child.
type Result string

// The results.
const (
	Unchanged Result = "unchanged"
	Created   Result = "created"
	Updated   Result = "updated"
)

// Applier writes.
type Applier struct {
	client    client.Client
	predictor *fields.Predictor
	written   *Written
}

// New makes an applier that notes what it writes.
func New(c client.Client, predictor *fields.Predictor, written *Written) *Applier {
	return &Applier{client: c, predictor: predictor, written: written}
}

// Applied is a child after it was brought to what it should be.
type Applied struct {
	Result Result
	// Known is what is known of it.
	Known decide.Object
	// Returned is the object as the API server returned it, read as
	// [kinds.Empty] says; nil where it was not called.
	Returned client.Object
}

// Apply brings one child to what it should be. Exists and object are what is known
// of it so far; where they agree with the configuration nothing is called. A child of
// which nothing is known is made, or the error is [ErrTaken].
func (a *Applier) Apply(ctx context.Context, namespace string, child build.Child, object decide.Object, exists bool) (Applied, error) {
	unchanged := Applied{Result: Unchanged, Known: object}
	data, err := json.Marshal(child.Config)
	if err != nil {
		return unchanged, fmt.Errorf("encode %s: %w", child, err)
	}
	hash := fields.Hash(data)
	if exists && object.Ownership == decide.Own && object.Stamp == hash+"-"+object.Fields {
		return unchanged, nil
	}
	config := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &config.Object); err != nil {
		return unchanged, fmt.Errorf("decode %s: %w", child, err)
	}
	if err := a.stamp(config, hash); err != nil {
		return unchanged, err
	}
	if !exists {
		config.SetResourceVersion(unmade)
	}
	key := decide.Key{Kind: child.Kind, Name: child.Name}
	returned, err := a.send(ctx, config)
	if apierrors.IsConflict(err) && !exists {
		a.written.NoteTaken(key, namespace)
		err = errors.Join(ErrTaken, err)
	}
	if err != nil {
		return unchanged, fmt.Errorf("apply %s: %w", child, err)
	}
	seen := a.written.note(key, namespace, returned)
	if config.GetAnnotations()[Annotation] != hash+"-"+seen.Fields {
		a.predictor.Outdated(child.Kind)
	}
	applied := Applied{Result: Updated, Known: seen, Returned: returned}
	switch {
	case !exists:
		applied.Result = Created
	case returned.GetResourceVersion() == object.ResourceVersion:
		applied.Result = Unchanged
	}
	return applied, nil
}

// send applies a configuration, and returns of the object that it made what the
// operator reads of its kind: the API server writes no more of it.
func (a *Applier) send(ctx context.Context, config *unstructured.Unstructured) (client.Object, error) {
	data, err := json.Marshal(config.Object)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	object := kinds.Empty(config.GroupVersionKind())
	object.SetNamespace(config.GetNamespace())
	object.SetName(config.GetName())
	patch := client.RawPatch(types.ApplyPatchType, data)
	return object, a.client.Patch(ctx, object, patch, client.FieldOwner(build.FieldOwner), client.ForceOwnership)
}

// stamp writes onto the configuration what it is, so that the next pass can see
// that nothing is to be done.
func (a *Applier) stamp(config *unstructured.Unstructured, hash string) error {
	annotations := config.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[Annotation] = "" // the annotation is one of the fields owned
	config.SetAnnotations(annotations)
	digest, err := a.predictor.Predict(config)
	if err != nil {
		return err
	}
	annotations[Annotation] = hash + "-" + digest
	config.SetAnnotations(annotations)
	return nil
}

// Adopt makes an object the service's own again without touching its content, if it
// is still the one that was seen.
func (a *Applier) Adopt(ctx context.Context, namespace string, child build.Child, uid types.UID) error {
	data, err := json.Marshal(child.Config)
	if err != nil {
		return fmt.Errorf("encode %s: %w", child, err)
	}
	config := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &config.Object); err != nil {
		return fmt.Errorf("decode %s: %w", child, err)
	}
	config.SetUID(uid)
	adopted, err := a.send(ctx, config)
	if err != nil {
		return fmt.Errorf("adopt %s: %w", child, err)
	}
	a.written.note(decide.Key{Kind: child.Kind, Name: child.Name}, namespace, adopted)
	return nil
}

// HandOver makes another owner hold the number of replicas as it is, so that the
// operator can let go of it without a reset. If the Deployment changed since it was
// seen it is a conflict: the number that was seen may be one of the past.
func (a *Applier) HandOver(ctx context.Context, deployment *appsv1.Deployment) error {
	config := appsv1ac.Deployment(deployment.Name, deployment.Namespace).
		WithResourceVersion(deployment.ResourceVersion).
		WithSpec(appsv1ac.DeploymentSpec().WithReplicas(*deployment.Spec.Replicas))
	if err := a.client.Apply(ctx, config, client.FieldOwner(handOverOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("hand the replicas of Deployment/%s over to the autoscaler: %w", deployment.Name, err)
	}
	return nil
}

// Scale sets the replicas of a Deployment that an autoscaler holds, through the same
// subresource, so that the operator owns nothing of it. If it changed since it was
// seen, nothing is done: the newer view is on its way.
func (a *Applier) Scale(ctx context.Context, deployment *appsv1.Deployment, replicas int32) error {
	scale := &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{
			Name: deployment.Name, Namespace: deployment.Namespace, ResourceVersion: deployment.ResourceVersion,
		},
		Spec: autoscalingv1.ScaleSpec{Replicas: replicas},
	}
	object := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: deployment.Name, Namespace: deployment.Namespace}}
	err := a.client.SubResource("scale").Update(ctx, object, client.WithSubResourceBody(scale), client.FieldOwner(handOverOwner))
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("scale the new Deployment/%s to %d: %w", deployment.Name, replicas, err)
	}
	return nil
}

// Delete removes an object, if it is still the one that was seen.
func (a *Applier) Delete(ctx context.Context, namespace string, key decide.Key, uid types.UID) error {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(key.Kind)
	object.SetName(key.Name)
	object.SetNamespace(namespace)
	err := a.client.Delete(ctx, object,
		client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s/%s: %w", key.Kind.Kind, key.Name, err)
	}
	a.written.noteDeleted(key, namespace, uid)
	return nil
}
