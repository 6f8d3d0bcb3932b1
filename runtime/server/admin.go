package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ragops.dev/ragservice/runtime/config"
)

// admin is the port for probes, metrics and the operator. Nothing it serves
// depends on whether another server is well: a pod that is restarted or taken out
// because its model is away helps nobody.
type admin struct {
	started  atomic.Bool
	draining atomic.Bool
	status   func() config.Status
	manage   http.Handler // documents, curated answers and the cache
}

func (a *admin) ready() bool { return a.started.Load() && !a.draining.Load() }

func (a *admin) handler(gatherer prometheus.Gatherer, profiling bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{ErrorLog: promLog{}, MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /livez", probe(func() bool { return true }))
	mux.HandleFunc("GET /startupz", probe(a.started.Load))
	mux.HandleFunc("GET /readyz", probe(a.ready))
	mux.HandleFunc("GET /status", a.serveStatus)
	mux.HandleFunc("/v1/", a.serveManagement)
	if profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (a *admin) serveStatus(w http.ResponseWriter, _ *http.Request) {
	if !a.started.Load() {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	body, err := json.MarshalIndent(a.status(), "", "  ")
	if err != nil {
		slog.Error("encode the status", "error", err)
		http.Error(w, "the status cannot be encoded; see the log", http.StatusInternalServerError)
		return
	}
	writeJSON(w, append(body, '\n'))
}

// serveManagement is the management endpoints without access control: the network
// keeps callers from this port.
func (a *admin) serveManagement(w http.ResponseWriter, r *http.Request) {
	if !a.started.Load() {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	a.manage.ServeHTTP(w, r)
}

func probe(ok func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !ok() {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	}
}

// promLog writes what goes wrong while collecting metrics.
type promLog struct{}

func (promLog) Println(v ...any) { slog.Warn("collect metrics", "error", v) }

// newHTTPServer bounds how long a peer may take for its part of the conversation.
// The time to write is not bounded here for the admin port's profiles, and for
// queries by what a query may take.
func newHTTPServer(handler http.Handler, read, write time.Duration, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: read, WriteTimeout: write,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
