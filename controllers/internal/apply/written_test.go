package apply

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
)

// TestNewest follows what is believed of an object that was written, through all
// that the cache may show of it.
func TestNewest(t *testing.T) {
	key := decide.Key{Kind: build.ServiceKind, Name: "support"}
	object := func(version string) *metav1.ObjectMeta {
		return &metav1.ObjectMeta{Namespace: "default", Name: "support", UID: "1", ResourceVersion: version}
	}
	tests := []struct {
		name        string
		deleted     bool
		passed      time.Duration
		cached      string
		wantVersion string
	}{
		{name: "the cache lags behind a creation", wantVersion: "10"},
		{name: "the cache lags behind a change", cached: "9", wantVersion: "10"},
		{name: "the cache has caught up", cached: "10", wantVersion: "10"},
		{name: "the cache is ahead", cached: "11", wantVersion: "11"},
		{name: "the cache lags behind a deletion", deleted: true, cached: "10"},
		{name: "the cache has seen the deletion", deleted: true},
		{name: "created, and gone before the cache saw it", passed: Confirmed + time.Second},
		{name: "deleted, and still there", deleted: true, passed: Confirmed + time.Second, cached: "12", wantVersion: "12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := testclock.NewFakePassiveClock(time.Now())
			w := NewWritten(now)
			w.NoteCreated(key, object("10"))
			if tt.deleted {
				w.noteDeleted(key, "default", "1")
			}
			now.SetTime(now.Now().Add(tt.passed))
			for range 2 { // the answer stays the same
				got, exists := w.Newest(key, "default", decide.Object{UID: "1", ResourceVersion: tt.cached}, tt.cached != "")
				if exists != (tt.wantVersion != "") || got.ResourceVersion != tt.wantVersion && exists {
					t.Errorf("found %t at version %q, want version %q", exists, got.ResourceVersion, tt.wantVersion)
				}
			}
		})
	}
}

// TestTaken forgets names that nobody has asked about for a while.
func TestTaken(t *testing.T) {
	now := testclock.NewFakePassiveClock(time.Now())
	w := NewWritten(now)
	former, later := decide.Key{Kind: build.ServiceKind, Name: "former"}, decide.Key{Kind: build.ServiceKind, Name: "later"}
	w.NoteTaken(former, "default")
	if !w.Taken(former, "default") || w.Taken(former, "other") || w.Taken(later, "default") {
		t.Error("want that one name taken, and no other")
	}
	now.SetTime(now.Now().Add(Confirmed + time.Second))
	if w.Taken(former, "default") {
		t.Errorf("the name is still taken after %s", Confirmed)
	}
	w.NoteTaken(later, "default")
	if len(w.taken) != 1 {
		t.Errorf("%d names are kept, want 1", len(w.taken))
	}
}
