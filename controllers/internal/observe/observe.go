// Package observe reads the cluster into a snapshot. It is the only part of the
// operator that reads, and it never writes.
package observe

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/fields"
	"ragops.dev/ragservice/controllers/internal/kinds"
	"ragops.dev/ragservice/controllers/internal/references"
)

// Observer reads.
type Observer struct {
	// Cache holds what carries the operator's labels.
	Cache client.Reader
	// Live asks the API server, for objects that the cache cannot hold: those of
	// somebody else under the name of a child.
	Live client.Reader
	// Written is what the cache has not shown yet.
	Written *apply.Written
	// References resolves the Secrets and ConfigMaps that specs name.
	References *references.Resolver
	// Served tells which optional kinds the cluster knows.
	Served func() map[schema.GroupVersionKind]bool
	// Measured is the newest that the pods of a service reported; nil for nothing.
	Measured func(types.NamespacedName) *decide.Measured
	// MetricsAPI tells who has the custom metrics API; nil where this operator does
	// not serve it.
	MetricsAPI func() *decide.MetricsAPI
	// RuntimeImage belongs to the operator's version.
	RuntimeImage string
	Operator     build.Operator
}

// Observe reads all that concerns one service.
func (o *Observer) Observe(ctx context.Context, service *v1alpha1.RAGService) (*decide.Snapshot, error) {
	s := &decide.Snapshot{
		Service:      service,
		Objects:      map[decide.Key]decide.Object{},
		Served:       o.Served(),
		Measured:     o.Measured(client.ObjectKeyFromObject(service)),
		RuntimeImage: o.RuntimeImage,
		Operator:     o.Operator,
	}
	if o.MetricsAPI != nil {
		s.MetricsAPI = o.MetricsAPI()
	}
	s.Content, s.ContentError = build.Configuration(service)
	for _, read := range []func(context.Context, *decide.Snapshot) error{
		o.objects, o.configurations, o.references,
	} {
		if err := read(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// objects reads what exists under the names of children. Workloads are read whole,
// for their status; of the others metadata will do: their content is the
// operator's own.
func (o *Observer) objects(ctx context.Context, s *decide.Snapshot) error {
	var read []client.Object
	for _, name := range build.Names(s.Service, s.Content.Name) {
		if name.Name == "" || slices.Contains(build.OptionalKinds, name.Kind) && !s.Served[name.Kind] {
			continue
		}
		object := kinds.Empty(name.Kind)
		if err := o.object(ctx, s, name, object); err != nil {
			return err
		}
		read = append(read, object)
	}
	for _, object := range read { // an autoscaler may belong to what is read after it
		keep(s, object)
	}
	return nil
}

// keep puts a workload or an autoscaler of the service into the snapshot. What is
// not there has no name, and no controller.
func keep(s *decide.Snapshot, object client.Object) {
	own := metav1.IsControlledBy(object, s.Service)
	switch object := object.(type) {
	case *appsv1.Deployment:
		switch {
		case own && object.Name == s.Service.Name:
			s.Deployment = object
		case own && object.Name == build.EmbeddingName(s.Service):
			s.Embedding = object
		}
	case *appsv1.StatefulSet:
		if own {
			s.Redis = object
		}
	case *autoscalingv2.HorizontalPodAutoscaler:
		if object.Name == build.AutoscalerName(s.Service) && scales(s, object) {
			s.Autoscaler = object
		}
	}
}

// Applied puts an object that the pass has just applied into its snapshot, as the
// API server returned it: what the pass tells of it is of what it wrote, and not of
// what was there before.
func Applied(s *decide.Snapshot, key decide.Key, known decide.Object, returned client.Object) {
	s.Objects[key] = known
	keep(s, returned)
}

// scales is whether an autoscaler is the service's own, or belongs to its
// ScaledObject.
func scales(s *decide.Snapshot, autoscaler *autoscalingv2.HorizontalPodAutoscaler) bool {
	if !build.UsesKEDA(s.Service) {
		return metav1.IsControlledBy(autoscaler, s.Service)
	}
	scaledObject, exists := s.Objects[decide.Key{Kind: build.ScaledObjectKind, Name: s.Service.Name}]
	controller := metav1.GetControllerOf(autoscaler)
	return exists && scaledObject.Ownership == decide.Own && controller != nil && controller.UID == scaledObject.UID
}

// object reads one: from the cache where it is in there. One that is wanted and not in
// there may still exist without the operator's labels: whoever tries to make it learns
// that, and from then on it is looked for.
func (o *Observer) object(ctx context.Context, s *decide.Snapshot, name build.Name, object client.Object) error {
	key := decide.Key{Kind: name.Kind, Name: name.Name}
	id := types.NamespacedName{Namespace: s.Service.Namespace, Name: name.Name}
	cached, found, err := o.get(ctx, o.Cache, s.Service, id, object)
	if err != nil {
		return fmt.Errorf("read %s/%s: %w", name.Kind.Kind, name.Name, err)
	}
	newest, exists := o.Written.Newest(key, id.Namespace, cached, found)
	if !exists && name.Wanted && o.Written.Taken(key, id.Namespace) {
		newest, exists, err = o.get(ctx, o.Live, s.Service, id, kinds.Metadata(name.Kind))
		if err != nil {
			return fmt.Errorf("look for %s/%s: %w", name.Kind.Kind, name.Name, err)
		}
		if exists {
			o.Written.NoteTaken(key, id.Namespace)
		}
	}
	if exists {
		s.Objects[key] = newest
	}
	return nil
}

func (o *Observer) get(ctx context.Context, reader client.Reader, service *v1alpha1.RAGService, name types.NamespacedName, object client.Object, opts ...client.GetOption) (decide.Object, bool, error) {
	err := reader.Get(ctx, name, object, opts...)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return decide.Object{}, false, nil
	}
	if err != nil {
		return decide.Object{}, false, err
	}
	owned, err := fields.Cached(object)
	if err != nil {
		return decide.Object{}, false, err
	}
	return decide.Object{
		UID:             object.GetUID(),
		ResourceVersion: object.GetResourceVersion(),
		Generation:      object.GetGeneration(),
		Ownership:       ownership(service, object),
		Stamp:           object.GetAnnotations()[apply.Annotation],
		Fields:          owned.Digest,
		Labelled:        carries(object.GetLabels(), service),
		OwnsReplicas:    owned.Replicas,
	}, true, nil
}

func ownership(service *v1alpha1.RAGService, object client.Object) decide.Ownership {
	controller := metav1.GetControllerOf(object)
	own := controller != nil && controller.UID == service.UID
	switch {
	case own && object.GetDeletionTimestamp() == nil:
		return decide.Own
	case own:
		return decide.Leftover
	case controller == nil && carries(object.GetLabels(), service):
		return decide.Orphaned
	case controller != nil && controller.Kind == "RAGService" && controller.Name == service.Name:
		return decide.Leftover
	default:
		return decide.Foreign
	}
}

// carries is whether labels are those the operator gives the service's children.
func carries(labels map[string]string, service *v1alpha1.RAGService) bool {
	return labels[build.LabelManagedBy] == build.FieldOwner && labels[build.LabelInstance] == service.Name
}

// configurations reads which ones exist and which may still be rolled back to.
func (o *Observer) configurations(ctx context.Context, s *decide.Snapshot) error {
	maps, err := o.list(ctx, s.Service, build.ConfigMapKind, build.ComponentConfig)
	if err != nil {
		return err
	}
	for _, m := range maps {
		if ownership(s.Service, &m) == decide.Own {
			s.Configurations = append(s.Configurations, m.Name)
			key := decide.Key{Kind: build.ConfigMapKind, Name: m.Name}
			if _, known := s.Objects[key]; !known {
				s.Objects[key] = decide.Object{UID: m.UID, ResourceVersion: m.ResourceVersion, Ownership: decide.Own}
			}
		}
	}
	sets, err := o.list(ctx, s.Service, kinds.ReplicaSet, build.ComponentRuntime)
	if err != nil {
		return err
	}
	s.ConfigurationsInUse = map[string]bool{}
	for _, set := range sets {
		s.ConfigurationsInUse[set.Labels[build.LabelConfig]] = true
	}
	return nil
}

// list reads the objects of one component of the service.
func (o *Observer) list(ctx context.Context, service *v1alpha1.RAGService, kind schema.GroupVersionKind, component string) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := o.Cache.List(ctx, list, client.InNamespace(service.Namespace),
		client.MatchingFields{instanceIndex: service.Name}, client.MatchingLabels(build.Selector(service, component)))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Kind, err)
	}
	return list.Items, nil
}

// instanceIndex finds the objects of a service among those of its namespace: without
// it, each pass would look through those of all services there.
const instanceIndex = "instance"

// Index makes the indexes of the cache that observing, and the watch of what services
// refer to, find objects by.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, kind := range []schema.GroupVersionKind{build.ConfigMapKind, kinds.ReplicaSet} {
		err := indexer.IndexField(ctx, kinds.Metadata(kind), instanceIndex, func(object client.Object) []string {
			return []string{object.GetLabels()[build.LabelInstance]}
		})
		if err != nil {
			return fmt.Errorf("index %s: %w", kind.Kind, err)
		}
	}
	return indexer.IndexField(ctx, &v1alpha1.RAGService{}, references.Index, indexReferences)
}

// references resolves what the spec names.
func (o *Observer) references(ctx context.Context, s *decide.Snapshot) error {
	for _, r := range build.References(s.Service) {
		content, err := o.References.Get(ctx, s.Service.Namespace, r.Kind, r.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Field, err)
		}
		s.References = append(s.References, decide.Resolved{
			Reference: r,
			Found:     content.Found,
			HasKey:    r.Key == "" || slices.Contains(content.Keys, r.Key),
			Digest:    content.Digest,
		})
	}
	secret := decide.Key{Kind: build.SecretKind, Name: build.RedisName(s.Service)}
	object, exists := s.Objects[secret]
	if !exists || object.Ownership != decide.Own && object.Ownership != decide.Orphaned || build.ManagedRedis(s.Service) == nil {
		return nil
	}
	content, err := o.References.Get(ctx, s.Service.Namespace, build.RefersToSecret, secret.Name)
	if err != nil {
		return fmt.Errorf("spec.cache.redis.managed: %w", err)
	}
	if !content.Found {
		// It was deleted, which the cache is about to show. To believe the cache would
		// run the Redis without a password for the pods to say they run with.
		delete(s.Objects, secret)
	}
	s.RedisPassword = content.Digest
	return nil
}

// indexReferences names the Secrets and ConfigMaps of a service for the index of
// the cache; see [references.IndexKey].
func indexReferences(object client.Object) []string {
	service, ok := object.(*v1alpha1.RAGService)
	if !ok {
		return nil
	}
	var keys []string
	for _, r := range build.References(service) {
		keys = append(keys, references.IndexKey(r.Kind, r.Name))
	}
	if build.ManagedRedis(service) != nil {
		keys = append(keys, references.IndexKey(build.RefersToSecret, build.RedisName(service)))
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
