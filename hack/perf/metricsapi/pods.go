package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"ragops.dev/ragservice/runtime/config"
)

// adminPort is that of the query runtime.
const adminPort = 9090

// simulated is pods that answer at loopback addresses of their own.
type simulated struct {
	addresses []string
	servers   []*http.Server
	asked     atomic.Int64
}

// listen starts n pods.
func listen(ctx context.Context, n int) (*simulated, error) {
	s := &simulated{}
	body, err := json.Marshal(statusOfPod())
	if err != nil {
		return nil, err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	})
	for i := range n {
		address := fmt.Sprintf("127.%d.%d.%d", 1+i/62500, i/250%250, 1+i%250)
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("%s:%d", address, adminPort))
		if err != nil {
			s.close()
			return nil, err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		s.addresses, s.servers = append(s.addresses, address), append(s.servers, server)
		go server.Serve(listener) //nolint:errcheck // it ends when it is closed
	}
	return s, nil
}

func (s *simulated) close() {
	for _, server := range s.servers {
		server.Close()
	}
}

// statusOfPod is as long as that of a pod with load.
func statusOfPod() config.Status {
	status := config.Status{
		Version: "bench", Service: "support", ConfigHash: "0123456789", Started: time.Now(), Ready: true,
		Dependencies: []config.DependencyStatus{
			{Name: "openai", Role: config.RoleModel, State: config.Reachable},
			{Name: "pgvector", Role: config.RoleVectorStore, State: config.Reachable},
			{Name: "redis", Role: config.RoleCache, State: config.Reachable},
		},
		Load: config.LoadStatus{WindowSeconds: 60, Queries: 1200, Succeeded: 1200, Hits: 700, QueriesPerSecond: 20, QueriesInFlight: 8},
	}
	for i := range 40 {
		status.Load.Latencies = append(status.Load.Latencies, config.LatencyBucket{UpperSeconds: 0.001 * float64(i+1), Count: 30})
	}
	return status
}
