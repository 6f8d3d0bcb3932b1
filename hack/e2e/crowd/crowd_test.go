package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestCrowd lets callers come and leave, and looks at what the service saw and
// what the crowd says.
func TestCrowd(t *testing.T) {
	var mu sync.Mutex
	asked, failing := map[string]int{}, false
	answer := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked[string(body)]++
		fail := failing
		mu.Unlock()
		<-answer
		if fail {
			http.Error(w, "overloaded", http.StatusServiceUnavailable)
		}
	}))
	defer service.Close()
	crowd := newCrowd(t.Context(), service.URL)
	control := httptest.NewServer(crowd.handler())
	defer control.Close()

	set(t, control.URL, "3", http.StatusOK)
	await(t, "three ask at once, and no more", func() error { return asking(t, control.URL, 3) })
	answer <- struct{}{}
	await(t, "who has the answer asks again", func() error {
		if report := reportOf(t, control.URL); len(report.Answered) != 1 || report.Asking != 3 {
			return errors.New("not yet")
		}
		return nil
	})
	mu.Lock()
	failing = true
	mu.Unlock()
	set(t, control.URL, "0", http.StatusOK)
	close(answer)
	await(t, "who leaves waits for the answer", func() error { return asking(t, control.URL, 0) })

	report := reportOf(t, control.URL)
	mu.Lock()
	defer mu.Unlock()
	if total := len(report.Answered) + report.Failed; total != len(asked) {
		t.Errorf("%d questions have an outcome, the service saw %d different ones", total, len(asked))
	}
	if report.Failed != len(report.Failures) {
		t.Errorf("failed %d, told %q", report.Failed, report.Failures)
	}
	for question, times := range asked {
		if times != 1 {
			t.Errorf("%s was asked %d times", question, times)
		}
	}
	for _, n := range []string{"", "many", "-1", "501"} {
		set(t, control.URL, n, http.StatusBadRequest)
	}
}

func set(t *testing.T, url, n string, want int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/callers?n="+n, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("n=%s: status %d, want %d", n, response.StatusCode, want)
	}
}

func reportOf(t *testing.T, url string) Report {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/report", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var report Report
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		t.Fatal(err)
	}
	return report
}

func asking(t *testing.T, url string, want int) error {
	if got := reportOf(t, url).Asking; got != want {
		return errors.New("another number asks")
	}
	return nil
}

func await(t *testing.T, what string, ready func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s: %v", what, err)
		case <-tick.C:
		}
	}
}
