// Command crowd is a number of callers that a test sets while they ask: each asks
// a question that nobody asked before, waits for the answer and asks the next. It
// runs in a pod, so that it reaches the service as its clients do, and is told by
// HTTP:
//
//	PUT /callers?n=40   so many ask from now on
//	GET /report         what became of their questions
//
// The crowd goes home by itself when its time is over.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// maxCallers bounds the load.
const maxCallers = 500

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	url := flag.String("url", "", "where to POST questions")
	address := flag.String("address", ":8080", "where to be told")
	duration := flag.Duration("for", 10*time.Minute, "how long at most")
	flag.Parse()
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	crowd := newCrowd(ctx, *url)
	server := &http.Server{Addr: *address, Handler: crowd.handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1) // The process ends, and with it the signal handler.
	}
}

func (c *crowd) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /callers", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil || n < 0 || n > maxCallers {
			http.Error(w, fmt.Sprintf("n is %q, and must be a number from 0 to %d", r.FormValue("n"), maxCallers), http.StatusBadRequest)
			return
		}
		c.resize(n)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// A test that has left needs no report.
		_ = json.NewEncoder(w).Encode(c.report())
	})
	return mux
}
