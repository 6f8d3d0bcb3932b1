package apply

import (
	"maps"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"

	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/fields"
)

// Written remembers what the operator wrote and its cache has not shown yet, so
// that a pass which runs ahead of the cache does not write the same again.
//
// A cache that had to list anew never shows what came and went in between. So a
// memory that is not confirmed within [Confirmed] counts no more.
type Written struct {
	clock clock.PassiveClock

	mu      sync.Mutex
	objects map[written]entry
	// taken are the names under which there was an object, at that time, that the
	// cache does not show.
	taken map[written]time.Time
}

// Confirmed is how long the cache may take to show what was written.
const Confirmed = time.Minute

type written struct {
	decide.Key
	namespace string
}

type entry struct {
	object  decide.Object
	deleted bool
	at      time.Time
}

// NewWritten remembers nothing yet.
func NewWritten(c clock.PassiveClock) *Written {
	return &Written{clock: c, objects: map[written]entry{}, taken: map[written]time.Time{}}
}

func (w *Written) note(key decide.Key, namespace string, object metav1.Object) decide.Object {
	owned, err := fields.Of(object.GetManagedFields())
	if err != nil {
		return decide.Object{} // then the cache will tell
	}
	noted := decide.Object{
		UID:             object.GetUID(),
		ResourceVersion: object.GetResourceVersion(),
		Generation:      object.GetGeneration(),
		Ownership:       decide.Own,
		Stamp:           object.GetAnnotations()[Annotation],
		Fields:          owned.Digest,
		OwnsReplicas:    owned.Replicas,
		Labelled:        true,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[written{key, namespace}] = entry{object: noted, at: w.clock.Now()}
	return noted
}

// NoteCreated remembers an object that was created rather than applied.
func (w *Written) NoteCreated(key decide.Key, object metav1.Object) {
	w.note(key, object.GetNamespace(), object)
}

func (w *Written) noteDeleted(key decide.Key, namespace string, uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.objects[written{key, namespace}] = entry{object: decide.Object{UID: uid}, deleted: true, at: w.clock.Now()}
}

// NoteTaken remembers that there is an object which the cache does not show: it lacks
// the operator's labels, or is too new.
func (w *Written) NoteTaken(key decide.Key, namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	maps.DeleteFunc(w.taken, func(_ written, at time.Time) bool { return now.Sub(at) > Confirmed })
	w.taken[written{key, namespace}] = now
}

// Taken is whether there may be such an object.
func (w *Written) Taken(key decide.Key, namespace string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, ok := w.taken[written{key, namespace}]
	return ok && w.clock.Since(at) <= Confirmed
}

// Newest is what is known of an object: what the cache shows, or what was written
// since.
func (w *Written) Newest(key decide.Key, namespace string, cached decide.Object, exists bool) (decide.Object, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := written{key, namespace}
	e, ok := w.objects[id]
	switch {
	case !ok:
		return cached, exists
	case w.clock.Since(e.at) > Confirmed:
	case e.deleted:
		if exists && cached.UID == e.object.UID {
			return decide.Object{}, false
		}
	case !exists || older(cached.ResourceVersion, e.object.ResourceVersion):
		return e.object, true
	}
	w.drop(id) // the cache has caught up, or never will
	return cached, exists
}

// drop forgets one. A map keeps the room of the most that it ever held: when it is
// empty it goes, too.
func (w *Written) drop(id written) {
	delete(w.objects, id)
	if len(w.objects) == 0 {
		w.objects = map[written]entry{}
	}
}

// Forget is told of every deletion that the cache sees.
func (w *Written) Forget(key decide.Key, namespace string, uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := (written{key, namespace}); w.objects[id].object.UID == uid {
		w.drop(id)
	}
}

// older compares resource versions. One that is not well formed is never older: the
// cache wins then.
func older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}
