package references

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
)

// watched are the resources of the kinds.
var watched = map[build.ReferenceKind]schema.GroupVersionResource{
	build.RefersToSecret:    corev1.SchemeGroupVersion.WithResource("secrets"),
	build.RefersToConfigMap: corev1.SchemeGroupVersion.WithResource("configmaps"),
}

// Watch enqueues the services that refer to an object whenever it appears,
// changes or goes away. Namespaces limits it; empty means all.
func Watch(metadataClient metadata.Interface, services client.Reader, resolver *Resolver, namespaces []string) source.Source {
	if len(namespaces) == 0 {
		namespaces = []string{metav1.NamespaceAll}
	}
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for kind, resource := range watched {
			for _, namespace := range namespaces {
				f := &forward{ctx: ctx, kind: kind, services: services, resolver: resolver, queue: queue}
				go run(ctx, metadataClient.Resource(resource).Namespace(namespace), f)
			}
		}
		return nil
	})
}

func run(ctx context.Context, resource metadata.ResourceInterface, store cache.ReflectorStore) {
	lister := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return resource.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return resource.Watch(ctx, options)
		},
	}
	const never = time.Duration(0)
	cache.NewReflectorWithOptions(lister, &metav1.PartialObjectMetadata{}, store, cache.ReflectorOptions{ResyncPeriod: never}).RunWithContext(ctx)
}

// forward is a store that stores nothing.
type forward struct {
	ctx      context.Context // the reflector's store has no context of its own
	kind     build.ReferenceKind
	services client.Reader
	resolver *Resolver
	queue    workqueue.TypedRateLimitingInterface[reconcile.Request]
}

var _ cache.ReflectorStore = (*forward)(nil)

// Add is told of an object that appeared.
func (f *forward) Add(object any) error { return f.changed(object) }

// Update is told of an object that changed.
func (f *forward) Update(object any) error { return f.changed(object) }

// Delete is told of an object that went away.
func (f *forward) Delete(object any) error { return f.changed(object) }

// Replace is told of all objects after a gap: any of those that are known may have
// changed or gone.
func (f *forward) Replace([]any, string) error {
	for _, ref := range f.resolver.all(f.kind) {
		if err := f.tell(ref, ""); err != nil {
			return err
		}
	}
	return nil
}

// Resync does nothing: there is nothing to tell again.
func (f *forward) Resync() error { return nil }

func (f *forward) changed(object any) error {
	m, err := meta.Accessor(object)
	if err != nil {
		return fmt.Errorf("watch %ss: %w", f.kind, err)
	}
	return f.tell(types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}, m.GetResourceVersion())
}

// tell enqueues the services that refer to the object, unless they know that version
// of it: above all that of a Secret that the operator itself has just made.
func (f *forward) tell(name types.NamespacedName, version string) error {
	services := &v1alpha1.RAGServiceList{}
	err := f.services.List(f.ctx, services, client.InNamespace(name.Namespace), client.MatchingFields{Index: IndexKey(f.kind, name.Name)})
	if err != nil {
		return fmt.Errorf("find the services that refer to %s %s: %w", f.kind, name, err)
	}
	if len(services.Items) == 0 {
		f.resolver.Drop(f.kind, name)
		return nil
	}
	if !f.resolver.Changed(f.kind, name, version) {
		return nil
	}
	for _, s := range services.Items {
		f.queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&s)})
	}
	return nil
}

// all lists what is known of a kind.
func (r *Resolver) all(kind build.ReferenceKind) []types.NamespacedName {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []types.NamespacedName
	for ref := range r.known {
		if ref.kind == kind {
			names = append(names, ref.name)
		}
	}
	return names
}
