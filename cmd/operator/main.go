// Command operator runs the RAGService operator.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"

	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/internal/gcpace"
)

// Set by the linker.
var (
	version      = "dev"
	runtimeImage = "ragservice-runtime:dev"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	options, level, err := parse(args)
	if err != nil {
		return err
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	logger := logr.FromSlogHandler(handler)
	log.SetLogger(logger)
	klog.SetLogger(logger)
	ctx := signals.SetupSignalHandler()
	pace.Keep(ctx)
	logger.Info("Starting", "version", version, "runtimeImage", options.RuntimeImage)
	rest, err := config.GetConfig()
	if err != nil {
		return err
	}
	return controllers.Run(ctx, rest, logger, options)
}

// pace keeps the memory near what is alive: that is a cache, which grows with the
// services, and of which Go would take twice the size. A heap of a few hundred services
// is left alone.
var pace = gcpace.Pace{Floor: 64 << 20, Percent: 40}

func parse(args []string) (controllers.Options, slog.Level, error) {
	var o controllers.Options
	var level slog.Level
	f := flag.NewFlagSet("operator", flag.ContinueOnError)
	config.RegisterFlags(f)
	f.StringVar(&o.RuntimeImage, "runtime-image", runtimeImage, "image of the query runtime, for services that name none")
	f.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace the operator runs in; by default $POD_NAMESPACE")
	f.Func("watch-namespaces", "comma-separated namespaces to work in; by default all", list(&o.WatchNamespaces))
	f.Func("monitoring-namespaces", "comma-separated namespaces that may scrape the pods of services", list(&o.MonitoringNamespaces))
	f.IntVar(&o.Concurrency, "concurrency", 8, "services reconciled at once")
	f.DurationVar(&o.DiscoveryInterval, "discovery-interval", 30*time.Second, "how often to look whether optional kinds, such as ServiceMonitor, are installed")
	f.DurationVar(&o.MeasureInterval, "measure-interval", 30*time.Second, "how often to ask the pods of services for their load; the status changes no more often")
	f.StringVar(&o.MetricsAddress, "metrics-address", ":8443", "address of the metrics over HTTPS; 0 for none")
	f.StringVar(&o.ProbeAddress, "probe-address", ":8081", "address of /healthz and /readyz; 0 for none")
	f.StringVar(&o.ProfilingAddress, "profiling-address", "0", "address of Go's profiles, which anybody may get who can reach it, such as 127.0.0.1:6060; 0 for none")
	f.IntVar(&o.MetricsAPIPort, "metrics-api-port", 0, "port of the custom metrics API, by which HorizontalPodAutoscalers scale on queries; 0 for none")
	f.StringVar(&o.MetricsAPIService, "metrics-api-service", "ragservice-operator-metrics-api", "Service in the operator's namespace that leads to the port of the custom metrics API")
	f.BoolVar(&o.LeaderElection, "leader-election", false, "let one of several replicas work")
	f.TextVar(&level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	if err := f.Parse(args); err != nil {
		return o, level, err
	}
	if f.NArg() > 0 {
		return o, level, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.Kubeconfig = f.Lookup(config.KubeconfigFlagName).Value.String()
	return o, level, nil
}

// list splits at commas and leaves out what is empty.
func list(into *[]string) func(string) error {
	return func(value string) error {
		*into = nil
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				*into = append(*into, item)
			}
		}
		return nil
	}
}
