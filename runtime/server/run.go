package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ragops.dev/ragservice/internal/gcpace"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/telemetry"
)

// Options are what Run is told.
type Options struct {
	// Config is complete and valid, as from [config.Parse].
	Config *config.Config
	// Current returns the configuration as its file has it now; nil where that
	// cannot change. The cache's TTLs and thresholds follow it; all else needs a new
	// process.
	Current func() *config.Config
	// ConfigHash is [config.Hash] of the file that Config was read from.
	ConfigHash string
	// Version of the program, for the log and /status.
	Version string
	Log     *slog.Logger
	// Listening is called with the two addresses once both ports take
	// connections; nil is fine.
	Listening func(queries, admin net.Addr)
}

// pace leaves alone a heap of an eighth of the memory that a RAGService requests by
// default; twice as much gives no more answers. Above it memory stays near what is alive,
// which is a full local cache, that must not look like a reason for another replica to an
// autoscaler that goes by memory, or thousands of questions with a model: with Go's default
// of 100 each of those would take 20 kB more, and with less than this the collector takes
// more of the processor than memory is worth.
var pace = gcpace.Pace{Floor: 32 << 20, Percent: 35}

// Run serves until ctx ends, then drains and returns: nil after a clean end.
func Run(ctx context.Context, o Options) error {
	started := time.Now()
	adminListener, err := listen(ctx, "server.adminAddress", o.Config.Server.AdminAddress)
	if err != nil {
		return err
	}
	queryListener, err := listen(ctx, "server.queryAddress", o.Config.Server.QueryAddress)
	if err != nil {
		return errors.Join(err, adminListener.Close())
	}
	registry := prometheus.NewRegistry()
	metrics := telemetry.NewMetrics(registry)
	a := &admin{}
	cfg := o.Config.Server
	adminServer := newHTTPServer(a.handler(registry, cfg.Profiling), 10*time.Second, 0, o.Log)
	failed := make(chan error, 2)
	serve(adminServer, adminListener, failed)

	parts, err := assemble(ctx, o, registry, metrics)
	if err != nil {
		return errors.Join(err, adminServer.Close(), queryListener.Close())
	}
	parts.warm(ctx, o.Log)
	parts.probe(ctx)
	a.status = parts.statusOf(o, started, a)
	a.manage = parts.server.newMux(parts.server.managementRoutes(unguarded))
	writeTimeout := cfg.QueueTimeout + cfg.QueryTimeout + 5*time.Second
	queryServer := newHTTPServer(a.untilDrained(parts.server.Handler()), writeTimeout, writeTimeout, o.Log)
	serve(queryServer, queryListener, failed)
	a.started.Store(true)
	pace.Keep(ctx) // not sooner: what the start leaves behind is no use to anybody
	o.Log.Info("ready", "version", o.Version, "config", o.ConfigHash, "queries", queryListener.Addr().String(),
		"admin", adminListener.Addr().String(), "took", time.Since(started))
	if o.Listening != nil {
		o.Listening(queryListener.Addr(), adminListener.Addr())
	}

	err = parts.serveUntil(ctx, failed, o.Current)
	return errors.Join(err, drain(cfg, o.Log, a, queryServer, adminServer, parts, err == nil))
}

func listen(ctx context.Context, field, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return l, nil
}

func serve(s *http.Server, l net.Listener, failed chan<- error) {
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
}

// tuneInterval is how often the configuration is looked at; its file is read no
// more often than package reload allows.
const tuneInterval = time.Second

// serveUntil waits for the end, and has the cache follow its configuration
// meanwhile.
func (a *assembled) serveUntil(ctx context.Context, failed <-chan error, current func() *config.Config) error {
	ticker := time.NewTicker(tuneInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-ticker.C:
			if current == nil || a.cache == nil {
				continue
			}
			if cfg := current(); cfg.Cache != nil {
				a.cache.Tune(*cfg.Cache)
			}
		}
	}
}

// untilDrained tells each caller of a draining replica to come back on another
// connection, and so to another replica. The connection is closed after the
// answer: to close those that are idle, as [http.Server.SetKeepAlivesEnabled] does,
// would cut off whoever is just sending a query on one.
func (a *admin) untilDrained(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// flushTimeout is what is left for the cache's write queue where queries have
// used up the time to drain.
const flushTimeout = time.Second

// drain ends the service without losing a query: unready first, so that the
// endpoints move away; still serving until they have, and letting go of each
// connection with the next answer on it; then no new connections,
// what is in flight to its end, the cache's write queue, the pools, and last the
// admin port, which tells how it went until then.
func drain(cfg config.Server, log *slog.Logger, a *admin, queries, adminServer *http.Server, parts *assembled, orderly bool) error {
	began := time.Now()
	a.draining.Store(true)
	log.Info("draining", "delay", cfg.DrainDelay, "timeout", cfg.DrainTimeout)
	if orderly {
		<-time.After(cfg.DrainDelay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.DrainTimeout)
	defer cancel()
	var errs []error
	if err := queries.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("queries were still in flight after %s: %w", cfg.DrainTimeout, err), queries.Close())
		// The answers of the others are still to be kept.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), flushTimeout)
		defer cancel()
	}
	errs = append(errs, parts.close(ctx), adminServer.Close())
	log.Info("drained", "took", time.Since(began), "queriesInFlight", parts.server.metrics.Load().QueriesInFlight)
	return errors.Join(errs...)
}
