// Package discover knows which optional kinds a cluster serves, while running:
// installing a CRD later is enough. It asks the discovery API, which every
// authenticated client may, instead of watching CRDs, which needs a cluster-wide
// permission.
package discover

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Discoverer is the part of the discovery client that is used.
type Discoverer interface {
	ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error)
}

// Kinds follows which of some kinds are served.
type Kinds struct {
	discoverer Discoverer
	kinds      []schema.GroupVersionKind

	mu     sync.RWMutex
	served map[schema.GroupVersionKind]bool
}

// New follows the kinds given; none counts as served until [Kinds.Refresh].
func New(discoverer Discoverer, kinds []schema.GroupVersionKind) *Kinds {
	return &Kinds{discoverer: discoverer, kinds: kinds, served: map[schema.GroupVersionKind]bool{}}
}

// Served are the kinds that the cluster knows. The map must not be changed.
func (k *Kinds) Served() map[schema.GroupVersionKind]bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.served
}

// Refresh asks anew and returns the kinds that came and went. After an error
// nothing changes.
func (k *Kinds) Refresh() (came, went []schema.GroupVersionKind, err error) {
	served := map[schema.GroupVersionKind]bool{}
	lists := map[schema.GroupVersion]*metav1.APIResourceList{}
	for _, kind := range k.kinds {
		gv := kind.GroupVersion()
		if _, asked := lists[gv]; !asked {
			list, err := k.discoverer.ServerResourcesForGroupVersion(gv.String())
			if err != nil && !apierrors.IsNotFound(err) {
				return nil, nil, fmt.Errorf("discover %s: %w", gv, err)
			}
			lists[gv] = list
		}
		if serves(lists[gv], kind.Kind) {
			served[kind] = true
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, kind := range k.kinds {
		switch {
		case served[kind] && !k.served[kind]:
			came = append(came, kind)
		case !served[kind] && k.served[kind]:
			went = append(went, kind)
		}
	}
	if !maps.Equal(served, k.served) {
		k.served = served
	}
	return came, went, nil
}

func serves(list *metav1.APIResourceList, kind string) bool {
	if list == nil {
		return false
	}
	for _, r := range list.APIResources {
		if r.Kind == kind {
			return true
		}
	}
	return false
}

// Every calls refresh now and then, until the context ends.
func Every(ctx context.Context, interval time.Duration, refresh func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			refresh(ctx)
		}
	}
}
