// Command puppet is what kubelet and the operator see of a query runtime: its admin
// port with the probes and /status. What it says of its load, a test tells it:
//
//	PUT /load?inFlight=8   it reports so many queries in flight
//	PUT /mute              it answers no question about its status any more
//
// It begins mute. So a test decides what every single pod reports, and when.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

// mute is no number of queries.
const mute = -1

func main() {
	flag.String("config", "", "taken as the runtime takes it, and not read")
	address := flag.String("address", ":9090", "host:port of the admin port")
	flag.Parse()
	server := &http.Server{Addr: *address, Handler: newPuppet(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, "puppet:", server.ListenAndServe())
	os.Exit(1)
}

func newPuppet() http.Handler {
	var inFlight atomic.Int64
	inFlight.Store(mute)
	started := time.Now()
	mux := http.NewServeMux()
	for _, probe := range []string{"GET /livez", "GET /startupz", "GET /readyz"} {
		mux.HandleFunc(probe, func(http.ResponseWriter, *http.Request) {})
	}
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		n := inFlight.Load()
		if n == mute {
			<-r.Context().Done() // Whoever asks gives up at last.
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// Whoever has given up needs no answer.
		_ = json.NewEncoder(w).Encode(config.Status{
			Version: "puppet", Started: started, Ready: true,
			Load: config.LoadStatus{WindowSeconds: 60, QueriesInFlight: n},
		})
	})
	mux.HandleFunc("PUT /load", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.FormValue("inFlight"), 10, 64)
		if err != nil || n < 0 {
			http.Error(w, "inFlight must be a number of queries", http.StatusBadRequest)
			return
		}
		inFlight.Store(n)
	})
	mux.HandleFunc("PUT /mute", func(http.ResponseWriter, *http.Request) { inFlight.Store(mute) })
	return mux
}
