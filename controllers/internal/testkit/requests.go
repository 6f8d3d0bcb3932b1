package testkit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// Requests records what an operator asks of the API server, and makes some of it
// fail.
type Requests struct {
	mu     sync.Mutex
	writes []string
	last   time.Time
	fail   func(*http.Request) error
	// dead operators get no request out any more; see [Requests.DieAt].
	dead  bool
	lives int
	died  chan struct{}
}

// errDead is what an operator sees that is about to be killed.
var errDead = errors.New("the operator was killed")

// ErrAnswerLost is for [Requests.Fail]: the request is carried out, and the operator
// waits for its answer until it gives up.
var ErrAnswerLost = errors.New("context deadline exceeded while awaiting headers")

// DieAt makes the operator die with one of its next writes: the n-th, counted from
// 1, still gets out, but its answer and all later requests do not. The channel
// closes when it happens.
func (r *Requests) DieAt(n int) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lives, r.died = n, make(chan struct{})
	return r.died
}

func (r *Requests) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = true
}

// send lets a request out, unless the operator is dead, and its answer back, unless
// this was its last write.
func (r *Requests) send(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	r.mu.Lock()
	last := false
	if !r.dead && r.lives > 0 && Write(request) != "" {
		r.lives--
		last = r.lives == 0
	}
	dead, died := r.dead, r.died
	r.dead = r.dead || last
	r.mu.Unlock()
	if dead {
		return nil, errDead
	}
	response, err := next.RoundTrip(request)
	if last {
		if err == nil {
			response.Body.Close()
		}
		close(died)
		return nil, errDead
	}
	return response, err
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

// Wrap makes the clients of a configuration tell what they request.
func (r *Requests) Wrap(config *rest.Config) { config.Wrap(r.wrap) }

func (r *Requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mu.Lock()
		fail := r.fail
		if name := Write(request); name != "" {
			r.writes = append(r.writes, name)
			r.last = time.Now()
		}
		r.mu.Unlock()
		var err error
		if fail != nil {
			err = fail(request)
		}
		switch {
		case err == nil:
			return r.send(request, next)
		case errors.Is(err, ErrAnswerLost):
			if response, err := r.send(request, next); err == nil {
				response.Body.Close()
			}
			return nil, err
		default:
			return Respond(request, err)
		}
	})
}

// Write names a request that changes something; empty for any other.
func Write(request *http.Request) string {
	if request.Method == http.MethodGet || aside(request) {
		return ""
	}
	_, resource, _ := strings.Cut(request.URL.Path, "/namespaces/")
	_, resource, _ = strings.Cut(resource, "/")
	return request.Method + " " + resource
}

// aside is whether a request is of a lease or an event, which no service depends on.
func aside(request *http.Request) bool {
	return strings.Contains(request.URL.Path, "/leases") || strings.Contains(request.URL.Path, "/events")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// Respond answers as the API server would with that error; any other error is one
// of the network.
func Respond(request *http.Request, err error) (*http.Response, error) {
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
