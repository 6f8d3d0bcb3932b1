// Package controllers puts the operator together: its options, its manager and the
// one list of what runs in it.
package controllers

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/discover"
	"ragops.dev/ragservice/controllers/internal/fields"
	"ragops.dev/ragservice/controllers/internal/measure"
	"ragops.dev/ragservice/controllers/internal/observe"
	"ragops.dev/ragservice/controllers/internal/references"
	"ragops.dev/ragservice/controllers/metricsapi"
	"ragops.dev/ragservice/controllers/podstatus"
	"ragops.dev/ragservice/controllers/ragservice"
)

// reconciliationTimeout bounds one pass over one service. A pass takes milliseconds,
// but for a cache that waits for what never comes: a kind whose definition goes away
// just when it is first asked for. Whoever waited looks again then, at a cluster that
// does not have the kind any more.
const reconciliationTimeout = 30 * time.Second

// Setup adds the controllers to the manager.
func Setup(ctx context.Context, mgr manager.Manager, o Options) error {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	// One sampler for both, so that a pod is asked once.
	pods := podstatus.New(nil, o.Clock)
	owner, err := setupMetricsAPI(mgr, pods, o)
	if err != nil {
		return fmt.Errorf("set up the custom metrics API: %w", err)
	}
	if err := setupRAGService(ctx, mgr, pods, owner, o); err != nil {
		return fmt.Errorf("set up the controller of RAGServices: %w", err)
	}
	return nil
}

// setupMetricsAPI returns who owns the API; nil where this operator does not serve
// it.
func setupMetricsAPI(mgr manager.Manager, pods *podstatus.Sampler, o Options) (*metricsapi.Owner, error) {
	if o.MetricsAPIPort == 0 {
		return nil, nil
	}
	return metricsapi.Setup(mgr, pods, metricsapi.Options{
		Port:       o.MetricsAPIPort,
		Namespace:  o.Namespace,
		Service:    o.MetricsAPIService,
		Kubeconfig: o.Kubeconfig,
		Clock:      o.Clock,
	})
}

func setupRAGService(ctx context.Context, mgr manager.Manager, pods *podstatus.Sampler, owner *metricsapi.Owner, o Options) error {
	discoverer, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	if err := observe.Index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	written := apply.NewWritten(o.Clock)
	monitor := measure.New(mgr.GetClient(), pods, o.MeasureInterval)
	kinds := discover.New(discoverer, build.OptionalKinds)
	resolver := references.NewResolver(mgr.GetAPIReader())
	reconciler := &ragservice.Reconciler{
		Client: mgr.GetClient(),
		Observer: &observe.Observer{
			Cache:        mgr.GetClient(),
			Live:         mgr.GetAPIReader(),
			Written:      written,
			References:   resolver,
			Served:       kinds.Served,
			Measured:     monitor.Measured,
			RuntimeImage: o.RuntimeImage,
			Operator:     build.Operator{Namespace: o.Namespace, MonitoringNamespaces: o.MonitoringNamespaces},
		},
		Applier:     apply.New(mgr.GetClient(), fields.NewPredictor(mgr.GetScheme(), discoverer.OpenAPIV3()), written),
		Written:     written,
		Recorder:    mgr.GetEventRecorder(build.FieldOwner),
		Clock:       o.Clock,
		NewPassword: rand.Text,
	}
	c, err := controller.New("ragservice", mgr, controller.Options{
		Reconciler:              reconciler,
		MaxConcurrentReconciles: o.Concurrency,
		ReconciliationTimeout:   cmp.Or(o.ReconciliationTimeout, reconciliationTimeout),
		SkipNameValidation:      new(o.SkipNameValidation),
	})
	if err != nil {
		return err
	}
	watches := &ragservice.Watches{
		Cache:             mgr.GetCache(),
		Scheme:            mgr.GetScheme(),
		Written:           written,
		Kinds:             kinds,
		References:        references.Watch(metadataClient, mgr.GetClient(), resolver, o.WatchNamespaces),
		Measured:          monitor.Source(),
		DiscoveryInterval: o.DiscoveryInterval,
	}
	if owner != nil {
		reconciler.Observer.MetricsAPI = func() *decide.MetricsAPI { return &decide.MetricsAPI{Rival: owner.Rival()} }
		watches.MetricsAPI = owner.Changed()
	}
	return watches.Start(c)
}
