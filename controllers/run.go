package controllers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/callers"
	"ragops.dev/ragservice/controllers/internal/measure"
	"ragops.dev/ragservice/controllers/internal/observe"
)

// Options of the operator.
type Options struct {
	// RuntimeImage runs the services that name no image of their own.
	RuntimeImage string
	// Namespace the operator runs in.
	Namespace string
	// WatchNamespaces limits the operator to some namespaces; empty means all.
	WatchNamespaces []string
	// MonitoringNamespaces may reach the admin port of the runtime's pods.
	MonitoringNamespaces []string
	// Concurrency is how many services are reconciled at once.
	Concurrency int
	// DiscoveryInterval is how often the cluster is asked whether it serves the
	// optional kinds, such as ServiceMonitor.
	DiscoveryInterval time.Duration
	// MeasureInterval is how often running pods are asked what they report.
	MeasureInterval time.Duration
	// MetricsAddress serves the metrics over HTTPS to callers that may get
	// /metrics; "0" serves none.
	MetricsAddress string
	// ProbeAddress serves /healthz and /readyz; "0" serves none.
	ProbeAddress string
	// ProfilingAddress serves Go's profiles below /debug/pprof/ to anybody who can
	// reach it; "0" and empty serve none.
	ProfilingAddress string
	// MetricsAPIPort serves the custom metrics API; 0 does not.
	MetricsAPIPort int
	// MetricsAPIService is the Service in Namespace by which the API server reaches
	// that port.
	MetricsAPIService string
	// Kubeconfig is the file that the operator's own configuration is from; empty
	// inside a cluster.
	Kubeconfig string
	// LeaderElection lets one of several replicas work.
	LeaderElection bool

	// ReconciliationTimeout bounds one pass over one service; 0 is 30 seconds.
	ReconciliationTimeout time.Duration

	// SkipNameValidation lets tests run several operators in one process.
	SkipNameValidation bool
	// Clock lets tests move the time that certificates, conditions and memories go by;
	// nil is that of the machine. The lease of the leader keeps to the machine's.
	Clock clock.Clock
}

// Validate says what is wrong with the options, and what would be right.
func (o Options) Validate() error {
	var errs []error
	if o.RuntimeImage == "" {
		errs = append(errs, errors.New("--runtime-image must be set: the image of the query runtime"))
	}
	if o.Concurrency < 1 {
		errs = append(errs, fmt.Errorf("--concurrency is %d, and must be at least 1", o.Concurrency))
	}
	if o.DiscoveryInterval <= 0 {
		errs = append(errs, fmt.Errorf("--discovery-interval is %s, and must be greater than 0s", o.DiscoveryInterval))
	}
	if o.MeasureInterval <= 0 {
		errs = append(errs, fmt.Errorf("--measure-interval is %s, and must be greater than 0s", o.MeasureInterval))
	}
	if o.LeaderElection && o.Namespace == "" {
		errs = append(errs, errors.New("--namespace must be set for leader election: the namespace the operator runs in"))
	}
	if o.MetricsAPIPort != 0 && (o.Namespace == "" || o.MetricsAPIService == "") {
		errs = append(errs, errors.New("--namespace and --metrics-api-service must be set with --metrics-api-port: the Service that leads to it"))
	}
	return errors.Join(errs...)
}

// NewScheme knows the kinds that the operator reads and writes.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

// Run runs the operator until the context ends.
func Run(ctx context.Context, config *rest.Config, logger logr.Logger, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	mgr, err := NewManager(ctx, config, logger, o)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// NewManager makes the manager with everything in it, ready to start.
func NewManager(ctx context.Context, config *rest.Config, logger logr.Logger, o Options) (manager.Manager, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server's own fairness is the limit
	// The API server would compress each event of a watch by itself, which costs both
	// more than the bytes that it saves between them.
	config.DisableCompression = true
	mgr, err := manager.New(config, manager.Options{
		Scheme:                        scheme,
		Logger:                        logger,
		Cache:                         cacheOptions(o),
		Metrics:                       metricsOptions(o),
		HealthProbeBindAddress:        o.ProbeAddress,
		PprofBindAddress:              o.ProfilingAddress,
		LeaderElection:                o.LeaderElection,
		LeaderElectionID:              "operator.rag.ragops.dev",
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make the manager: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return nil, err
	}
	return mgr, Setup(ctx, mgr, o)
}

// cacheOptions keep what carries the operator's labels, and of that no more than is
// needed.
func cacheOptions(o Options) cache.Options {
	options := cache.Options{
		DefaultLabelSelector: labels.SelectorFromSet(labels.Set{build.LabelManagedBy: build.FieldOwner}),
		DefaultTransform:     observe.Trim,
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.RAGService{}: {Label: labels.Everything(), Transform: cache.TransformStripManagedFields()},
			&corev1.Pod{}:          {Transform: measure.Trim},
		},
	}
	for _, namespace := range o.WatchNamespaces {
		if options.DefaultNamespaces == nil {
			options.DefaultNamespaces = map[string]cache.Config{}
		}
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

func metricsOptions(o Options) metricsserver.Options {
	return metricsserver.Options{
		BindAddress:    o.MetricsAddress,
		SecureServing:  true,
		FilterProvider: callers.Filter,
		TLSOpts:        []func(*tls.Config){func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }},
	}
}
