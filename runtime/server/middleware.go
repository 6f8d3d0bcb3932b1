package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// handler answers a request or returns why not. It must not have written anything
// when it returns an error, unless the error is a [brokenStream].
type handler func(w http.ResponseWriter, r *http.Request) error

// brokenStream is a failure after the response had begun: the handler has told
// the caller as far as that was possible, and only the log is left.
type brokenStream struct{ error }

func (e brokenStream) Unwrap() error { return e.error }

// requestIDHeader names a request in logs and traces of all services it passes.
const requestIDHeader = "X-Request-Id"

// handle makes a handler one of net/http's: it names the request, keeps a panic
// from ending the process, and answers and logs failures.
func (s *Server) handle(style errorStyle, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		w.Header()[requestIDHeader] = []string{id}
		start := time.Now()
		err := s.recovered(h, w, r)
		if err != nil {
			failure := asStatusError(err)
			if _, begun := errors.AsType[brokenStream](err); !begun {
				failure.write(w, style)
			}
			s.logFailure(w, r, failure, err, time.Since(start))
			return
		}
		if s.log.Enabled(r.Context(), slog.LevelDebug) {
			s.log.DebugContext(r.Context(), "answered", "requestID", id, "traceID", traceID(w, r), "path", r.URL.Path, "cache", w.Header().Get("X-Cache"), "took", time.Since(start))
		}
	})
}

func (s *Server) recovered(h handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares by identity too
			panic(p)
		}
		s.log.Error("recovered from a panic", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		err = fmt.Errorf("panic: %v", p)
	}()
	return h(w, r)
}

// warnings lets through so many log lines of failures per second: when a part
// fails, every query does, and writing about it must not be the next failure.
const warnings = 20

func newWarningLimit() *rate.Limiter { return rate.NewLimiter(warnings, warnings) }

// logFailure logs what is the service's fault at warn and what is the caller's at
// debug. The text of the question is in neither.
func (s *Server) logFailure(w http.ResponseWriter, r *http.Request, failure *statusError, err error, took time.Duration) {
	level := slog.LevelDebug
	if failure.status >= 500 && failure.code != codeOverloaded {
		level = slog.LevelWarn
	}
	if !s.log.Enabled(r.Context(), level) || level == slog.LevelWarn && !s.warnings.Allow() {
		return
	}
	s.log.Log(r.Context(), level, "not answered", "requestID", w.Header().Get(requestIDHeader), "traceID", traceID(w, r), "path", r.URL.Path, "status", failure.status, "code", failure.code, "took", took, "error", err)
}

// traceID is the trace that the request is part of: the one the caller is told or,
// where none is recorded, the one it named. It is empty where there is none.
func traceID(w http.ResponseWriter, r *http.Request) string {
	parent := cmp.Or(w.Header().Get("Traceparent"), r.Header.Get("Traceparent"))
	if parts := strings.Split(parent, "-"); len(parts) == 4 && len(parts[1]) == 32 && fitID(parts[1]) {
		return parts[1]
	}
	return ""
}

// requestID is the caller's, if it is fit for a log, or a new one.
func requestID(r *http.Request) string {
	if ids := r.Header[requestIDHeader]; len(ids) == 1 && fitID(ids[0]) {
		return ids[0]
	}
	return newID()
}

// newID is 128 random bits. They only have to be different: nothing is kept
// secret by them.
func newID() string {
	const digits = "0123456789abcdef"
	var id [32]byte
	for i := 0; i < len(id); i += 16 {
		bits := rand.Uint64()
		for j := range 16 {
			id[i+j] = digits[bits>>(4*j)&15]
		}
	}
	return string(id[:])
}

// fitID takes what UUIDs, trace ids and their like are made of.
func fitID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

// withTimeout bounds a request from its first to its last byte.
func (s *Server) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.limits.query)
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
