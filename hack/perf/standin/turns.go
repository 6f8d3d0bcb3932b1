package standin

import (
	"net"
	"net/http"
	"sync"

	"golang.org/x/sync/semaphore"
)

// inTurn serves at most so many requests of one address at a time, and all of
// them where places is 0.
func inTurn(places int, next http.HandlerFunc) http.HandlerFunc {
	if places <= 0 {
		return next
	}
	var mu sync.Mutex
	callers := map[string]*semaphore.Weighted{}
	of := func(address string) *semaphore.Weighted {
		mu.Lock()
		defer mu.Unlock()
		if callers[address] == nil {
			callers[address] = semaphore.NewWeighted(int64(places))
		}
		return callers[address]
	}
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, `{"error":{"message":"a caller without an address"}}`, http.StatusBadRequest)
			return
		}
		turn := of(host)
		if turn.Acquire(r.Context(), 1) != nil {
			return // The caller has left.
		}
		defer turn.Release(1)
		next(w, r)
	}
}
