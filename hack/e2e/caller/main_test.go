package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestCall(t *testing.T) {
	tests := []struct {
		name       string
		failEvery  int64
		wantFailed bool
	}{
		{name: "all are answered"},
		{name: "a failure is counted and told", failEvery: 5, wantFailed: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var served atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if n := served.Add(1); test.failEvery > 0 && n%test.failEvery == 0 {
					http.Error(w, "overloaded", http.StatusServiceUnavailable)
				}
			}))
			defer server.Close()
			got := call(t.Context(), server.URL, 100, 300*time.Millisecond)
			if int64(got.Sent) != served.Load() || got.Sent == 0 {
				t.Errorf("says it sent %d, the server saw %d", got.Sent, served.Load())
			}
			if (got.Failed > 0) != test.wantFailed || (len(got.Failures) > 0) != test.wantFailed {
				t.Errorf("failed %d %q, want failures: %t", got.Failed, got.Failures, test.wantFailed)
			}
		})
	}
}
