package testkit

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Requests records what an operator asks of the API server, and makes some of it
// fail.
type Requests struct {
	mu     sync.Mutex
	writes []string
	last   time.Time
	fail   func(*http.Request) error
}

// Writes are the requests that change something, such as "PATCH deployments/a",
// since the last call of Reset. Leases and events are left out.
func (r *Requests) Writes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.writes)
}

// Reset forgets what was recorded.
func (r *Requests) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = nil
}

// Quiet is how long nothing was written.
func (r *Requests) Quiet() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.last)
}

// Fail makes requests fail for which f returns an error; nil lets all pass.
func (r *Requests) Fail(f func(*http.Request) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

func (r *Requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mu.Lock()
		fail := r.fail
		if name := Write(request); name != "" {
			r.writes = append(r.writes, name)
			r.last = time.Now()
		}
		r.mu.Unlock()
		if fail != nil {
			if err := fail(request); err != nil {
				return respond(request, err)
			}
		}
		return next.RoundTrip(request)
	})
}

// Write names a request that changes something; empty for any other.
func Write(request *http.Request) string {
	if request.Method == http.MethodGet || strings.Contains(request.URL.Path, "/leases") || strings.Contains(request.URL.Path, "/events") {
		return ""
	}
	_, resource, _ := strings.Cut(request.URL.Path, "/namespaces/")
	_, resource, _ = strings.Cut(resource, "/")
	return request.Method + " " + resource
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// respond answers as the API server would with that error; any other error is one
// of the network.
func respond(request *http.Request, err error) (*http.Response, error) {
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		return nil, err
	}
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`,
		status.Status().Message, status.Status().Reason, status.Status().Code)
	return &http.Response{
		StatusCode: int(status.Status().Code),
		Status:     http.StatusText(int(status.Status().Code)),
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(body)),
		Request:    request,
	}, nil
}
