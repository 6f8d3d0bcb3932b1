package metricsapi

import "sync"

// Owner knows who has the custom metrics API of the cluster.
type Owner struct {
	mu      sync.Mutex
	rival   string
	changed chan struct{}
}

// Rival names the service that has the API in this operator's stead, such as
// monitoring/prometheus-adapter; empty where it is this operator's.
func (o *Owner) Rival() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rival
}

// Changed receives after the owner has changed.
func (o *Owner) Changed() <-chan struct{} { return o.changed }

func newOwner() *Owner { return &Owner{changed: make(chan struct{}, 1)} }

// set notes the rival and reports whether it is another one than before.
func (o *Owner) set(rival string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rival == rival {
		return false
	}
	o.rival = rival
	select {
	case o.changed <- struct{}{}:
	default: // nobody has looked since the change before
	}
	return true
}
