package podstatus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

// server answers as a pod's admin port does, and counts how often it was asked.
func server(t *testing.T, handler http.HandlerFunc) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

func status(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/status" {
		http.NotFound(w, r)
		return
	}
	fmt.Fprint(w, `{"configHash": "0123456789", "load": {"queriesPerSecond": 12.5}}`)
}

func TestSample(t *testing.T) {
	good, _ := server(t, status)
	failing, _ := server(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	garbage, _ := server(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	gone := httptest.NewServer(nil)
	gone.Close()

	sampler := New(nil, clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	samples := sampler.Sample(t.Context(), []Target{
		{UID: "good", Address: good},
		{UID: "failing", Address: failing},
		{UID: "garbage", Address: garbage},
		{UID: "gone", Address: strings.TrimPrefix(gone.URL, "http://")},
	})
	if got := samples["good"]; got.Err != nil || got.Status.Load.QueriesPerSecond != 12.5 || got.Status.ConfigHash != "0123456789" {
		t.Errorf("good: got %+v, want its status", got)
	}
	for uid, want := range map[types.UID]string{"failing": "500", "garbage": "no status", "gone": "refused"} {
		if got := samples[uid]; got.Err == nil || !strings.Contains(got.Err.Error(), want) {
			t.Errorf("%s: got error %v, want one that says %q", uid, got.Err, want)
		}
	}
}

func TestSampleIsShared(t *testing.T) {
	address, asked := server(t, status)
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	sampler := New(nil, clock)
	target := []Target{{UID: "pod", Address: address}}

	sampler.Sample(t.Context(), target)
	sampler.Sample(t.Context(), target)
	if got := asked.Load(); got != 1 {
		t.Errorf("within the age of a sample the pod was asked %d times, want once", got)
	}
	clock.SetTime(clock.Now().Add(defaultMaxAge))
	sampler.Sample(t.Context(), target)
	if got := asked.Load(); got != 2 {
		t.Errorf("after it the pod was asked %d times, want twice", got)
	}
}

func TestSampleOfACallerWhoGaveUpIsNotKept(t *testing.T) {
	address, _ := server(t, status)
	sampler := New(nil, clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	target := []Target{{UID: "pod", Address: address}}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if got := sampler.Sample(cancelled, target)["pod"]; !errors.Is(got.Err, context.Canceled) {
		t.Errorf("cancelled: got %v, want context canceled", got.Err)
	}
	if got := sampler.Sample(t.Context(), target)["pod"]; got.Err != nil {
		t.Errorf("the next caller: got %v, want the pod's answer", got.Err)
	}
}

func TestPodsAreForgotten(t *testing.T) {
	address, _ := server(t, status)
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	sampler := New(nil, clock)
	for i := range 100 {
		sampler.Sample(t.Context(), []Target{{UID: types.UID(fmt.Sprint(i)), Address: address}})
	}
	clock.SetTime(clock.Now().Add(2 * forgetAfter))
	sampler.Sample(t.Context(), []Target{{UID: "new", Address: address}})
	if got := len(sampler.pods); got != 1 {
		t.Errorf("%d pods are remembered, want only the one asked for", got)
	}
}

// TestFanOutIsBounded asks many pods at once and counts how many are being asked at
// the same time: all places are taken, and no more.
func TestFanOutIsBounded(t *testing.T) {
	var now, most atomic.Int64
	var once sync.Once
	full := make(chan struct{})
	address, asked := server(t, func(w http.ResponseWriter, r *http.Request) {
		busy := now.Add(1)
		defer now.Add(-1)
		for before := most.Load(); busy > before && !most.CompareAndSwap(before, busy); before = most.Load() {
		}
		if busy == defaultConcurrency {
			once.Do(func() { close(full) }) // the first of them wait for the last
		}
		<-full
		status(w, r)
	})
	sampler := New(nil, clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	sampler.client.Timeout = time.Minute // it is the number that counts here
	var targets []Target
	for i := range 2 * defaultConcurrency {
		targets = append(targets, Target{UID: types.UID(fmt.Sprint(i)), Address: address})
	}
	for uid, sample := range sampler.Sample(t.Context(), targets) {
		if sample.Err != nil {
			t.Errorf("%s: %v", uid, sample.Err)
		}
	}
	if asked.Load() != int64(len(targets)) || most.Load() != defaultConcurrency {
		t.Errorf("%d pods were asked, at most %d at once, want %d, %d at once", asked.Load(), most.Load(), len(targets), defaultConcurrency)
	}
}
