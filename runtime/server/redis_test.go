package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"ragops.dev/ragservice/runtime/internal/testredis"
)

// TestQueriesWithoutRedis asks while Redis is killed, frozen and back: every query
// is answered, and none waits for more than the cache's budget allows.
func TestQueriesWithoutRedis(t *testing.T) {
	tests := []struct {
		name        string
		fail, mend  func(*testredis.Server)
		wantL2After bool // the answer that was kept before is still there
	}{
		{name: "killed", fail: (*testredis.Server).Kill, mend: (*testredis.Server).Restart},
		{name: "stopped", fail: (*testredis.Server).Stop, mend: (*testredis.Server).Continue, wantL2After: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			redis := testredis.Start(t)
			r := run(t, embedded+"cache: {redis: {addresses: ['"+redis.Addr+"']}}\n")
			ask := func(question, wantCache string) bool {
				start := time.Now()
				got := r.query(t, `{"query": "`+question+`"}`)
				if got.status != http.StatusOK {
					t.Fatalf("%d %s", got.status, got.body)
				}
				// Far above the budget of 25 ms: the machine may be busy. What is
				// looked for are the seconds of a driver's own timeouts.
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %s", took)
				}
				return got.header.Get("X-Cache") == wantCache
			}
			waitFor(t, "a hit in Redis", func() bool { return ask("before", "HIT-L2") })
			tt.fail(redis)
			for range 20 {
				if !ask("before", "MISS") {
					t.Fatal("a hit without Redis")
				}
			}
			if status := r.do(t, http.MethodGet, r.admin+"/status", "").body; !strings.Contains(status, "Unreachable") {
				t.Errorf("the status does not tell: %s", status)
			}
			if got := r.do(t, http.MethodGet, r.admin+"/readyz", ""); got.status != http.StatusOK {
				t.Errorf("readyz: %d; Redis is no condition of readiness", got.status)
			}
			tt.mend(redis)
			waitFor(t, "a hit in Redis again", func() bool { return ask("after", "HIT-L2") })
			if tt.wantL2After && !ask("before", "HIT-L2") {
				t.Error("what was kept before is not found")
			}
		})
	}
}
