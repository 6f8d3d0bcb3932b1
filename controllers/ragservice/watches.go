package ragservice

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/discover"
	"ragops.dev/ragservice/controllers/internal/kinds"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Watches are all that sets off a reconcile.
type Watches struct {
	Cache      cache.Cache
	Scheme     *runtime.Scheme
	Written    *apply.Written
	Kinds      *discover.Kinds
	References source.Source
	// Measured enqueues services whose pods report something new.
	Measured source.Source
	// MetricsAPI receives when the owner of the custom metrics API has changed; nil
	// where this operator does not serve it.
	MetricsAPI <-chan struct{}
	// DiscoveryInterval is how often the cluster is asked for optional kinds.
	DiscoveryInterval time.Duration
}

// Start adds the watches to the controller.
func (w *Watches) Start(c controller.Controller) error {
	sources := []source.Source{
		source.Kind[client.Object](w.Cache, &v1alpha1.RAGService{}, &handler.EnqueueRequestForObject{}),
		w.References,
		w.Measured,
		source.Func(func(ctx context.Context, q queue) error { return w.discover(ctx, c, q) }),
		source.Func(w.metricsAPI),
	}
	for _, kind := range kinds.Watched {
		sources = append(sources, w.child(kind))
	}
	for _, s := range sources {
		if err := c.Watch(s); err != nil {
			return err
		}
	}
	return nil
}

func (w *Watches) child(kind schema.GroupVersionKind) source.Source {
	return source.Kind(w.Cache, kinds.Empty(kind), w.enqueue(), predicate.Funcs{UpdateFunc: matters})
}

// enqueue finds the service of a child by the label that all children carry. An
// object that lost its labels counts as deleted, and its service looks for it.
func (w *Watches) enqueue() handler.EventHandler {
	add := func(q queue, object client.Object) {
		if name := object.GetLabels()[build.LabelInstance]; name != "" {
			q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}})
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { add(q, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			add(q, e.ObjectOld)
			add(q, e.ObjectNew)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			if kind, err := apiutil.GVKForObject(e.Object, w.Scheme); err == nil {
				w.Written.Forget(decide.Key{Kind: kind, Name: e.Object.GetName()}, e.Object.GetNamespace(), e.Object.GetUID())
			}
			add(q, e.Object)
			for _, name := range build.Claimants(e.Object.GetName()) {
				q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: e.Object.GetNamespace(), Name: name}})
			}
		},
	}
}

// matters leaves out the figures that an autoscaler rewrites every few seconds.
func matters(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return true
	}
	after, ok := e.ObjectNew.(*autoscalingv2.HorizontalPodAutoscaler)
	if !ok {
		return true
	}
	return !equality.Semantic.DeepEqual(before.Annotations, after.Annotations) ||
		!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
		!equality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences) ||
		!equality.Semantic.DeepEqual(before.DeletionTimestamp, after.DeletionTimestamp) ||
		!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
}

// discover follows which optional kinds the cluster serves: one that comes is
// watched, one that goes is not any more, and every service has a look.
func (w *Watches) discover(ctx context.Context, c controller.Controller, q queue) error {
	came, _, err := w.Kinds.Refresh()
	if err != nil {
		return err
	}
	go func() { // the controller adds no watch while it starts
		w.follow(ctx, c, came, nil)
		discover.Every(ctx, w.DiscoveryInterval, func(ctx context.Context) {
			came, went, err := w.Kinds.Refresh()
			if err != nil {
				log.FromContext(ctx).Error(err, "Cannot discover optional kinds; trying again")
				return
			}
			w.follow(ctx, c, came, went)
			if len(came)+len(went) > 0 {
				w.all(ctx, q)
			}
		})
	}()
	return nil
}

// metricsAPI lets every service have a look when another server takes or leaves the
// custom metrics API.
func (w *Watches) metricsAPI(ctx context.Context, q queue) error {
	if w.MetricsAPI == nil {
		return nil
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.MetricsAPI:
				w.all(ctx, q)
			}
		}
	}()
	return nil
}

func (w *Watches) follow(ctx context.Context, c controller.Controller, came, went []schema.GroupVersionKind) {
	logger := log.FromContext(ctx)
	for _, kind := range came {
		logger.Info("Watching an optional kind", "kind", kind.Kind, "group", kind.Group)
		if err := c.Watch(w.child(kind)); err != nil {
			logger.Error(err, "Cannot watch an optional kind", "kind", kind.Kind, "group", kind.Group)
		}
	}
	for _, kind := range went {
		logger.Info("An optional kind is gone", "kind", kind.Kind, "group", kind.Group)
		if err := w.Cache.RemoveInformer(ctx, kinds.Metadata(kind)); err != nil {
			logger.Error(err, "Cannot stop watching a kind that is gone", "kind", kind.Kind, "group", kind.Group)
		}
	}
}

func (w *Watches) all(ctx context.Context, q queue) {
	services := &v1alpha1.RAGServiceList{}
	if err := w.Cache.List(ctx, services); err != nil {
		log.FromContext(ctx).Error(err, "Cannot list the services")
		return
	}
	for _, s := range services.Items {
		q.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&s)})
	}
}
