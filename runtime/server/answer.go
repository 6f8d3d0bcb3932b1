package server

import (
	"net/http"
	"strconv"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/telemetry"
)

// stream writes an answer piece by piece.
type stream interface {
	// start writes the headers. It is called once, before all others.
	start(result query.Result)
	// delta sends a piece of the answer. An error means that the caller is gone.
	delta(text string) error
	// end sends what follows the answer. Where the answer did not come in pieces
	// it sends all of it.
	end(result query.Result) error
	// fail tells the caller that no more will come.
	fail(failure *statusError)
}

// counted counts a query from its first to its last byte.
func (s *Server) counted(h func(http.ResponseWriter, *http.Request) (telemetry.Outcome, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		start := time.Now()
		s.metrics.QueryStarted()
		outcome := telemetry.OutcomeFailed // of a panic
		defer func() { s.metrics.QueryEnded(outcome, time.Since(start)) }()
		result, err := h(w, r)
		if err != nil {
			outcome = asStatusError(err).outcome()
			return err
		}
		outcome = result
		return nil
	}
}

// answer answers a question from memory or else, once admitted, from the
// pipeline. Where out is nil the answer is sent whole.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, req *query.Request, out stream) (telemetry.Outcome, error) {
	start := time.Now()
	if err := s.service.Prepare(req); err != nil {
		return "", err
	}
	if result, ok := s.service.Cached(req); ok {
		// A hit is a span only where it is part of a trace.
		if tracer := s.service.Tracer; tracer != nil && r.Header["Traceparent"] != nil {
			_, span := tracer.Request(r.Context(), r.Header, w.Header(), r.URL.Path, w.Header().Get(requestIDHeader), start)
			span.Cache(string(result.Tier))
			defer span.End("")
		}
		return outcomeOf(result), send(w, result, out)
	}
	req.Arrived = start
	ctx, span := s.service.Tracer.Request(r.Context(), r.Header, w.Header(), r.URL.Path, w.Header().Get(requestIDHeader), start)
	result, err := s.admitted(r.WithContext(ctx), req, out)
	if err != nil {
		span.End(asStatusError(err).code)
		return "", err
	}
	span.Cache(string(result.Tier))
	defer span.End("")
	if out != nil && result.Body == nil {
		return outcomeOf(result), nil
	}
	return outcomeOf(result), send(w, result, out)
}

// admitted answers a question from the pipeline, once there is a place.
func (s *Server) admitted(r *http.Request, req *query.Request, out stream) (query.Result, error) {
	if err := s.admission.enter(r.Context()); err != nil {
		return query.Result{}, err
	}
	defer s.admission.leave()
	if out == nil {
		return s.service.Answer(r.Context(), req, nil)
	}
	return s.streamed(r, req, out)
}

// streamed hands the pieces of the answer to out as the model makes them. The
// result has no body where out has sent it all.
func (s *Server) streamed(r *http.Request, req *query.Request, out stream) (query.Result, error) {
	started := false
	result, err := s.service.Answer(r.Context(), req, func(text string) error {
		if !started {
			started = true
			out.start(query.Result{Tier: cache.TierMiss})
		}
		return out.delta(text)
	})
	if !started {
		return result, err
	}
	if err == nil {
		err = out.end(result)
	} else {
		out.fail(asStatusError(err))
	}
	if err != nil {
		return query.Result{}, brokenStream{err}
	}
	result.Body = nil
	return result, nil
}

// send writes an answer that is there as a whole.
func send(w http.ResponseWriter, result query.Result, out stream) error {
	if out != nil {
		out.start(result)
		return out.end(result)
	}
	setCacheHeaders(w.Header(), result)
	writeJSON(w, result.Body)
	return nil
}

func outcomeOf(result query.Result) telemetry.Outcome {
	switch result.Tier {
	case cache.TierMiss:
		return telemetry.OutcomeMiss
	case cache.TierStale:
		return telemetry.OutcomeStale
	}
	return telemetry.OutcomeHit
}

// Header values that never change are shared: net/http only reads them. Together
// with canonical names set directly that saves a hit its header allocations.
var (
	jsonType = []string{"application/json"}
	tiers    = map[cache.Tier][]string{
		cache.TierLocal: {string(cache.TierLocal)}, cache.TierRedis: {string(cache.TierRedis)},
		cache.TierSemantic: {string(cache.TierSemantic)}, cache.TierFAQ: {string(cache.TierFAQ)},
		cache.TierStale: {string(cache.TierStale)}, cache.TierMiss: {string(cache.TierMiss)},
	}
)

// setCacheHeaders says where an answer came from and, of a kept one, how old it is.
func setCacheHeaders(h http.Header, result query.Result) {
	h["X-Cache"] = tiers[result.Tier]
	if result.Tier != cache.TierMiss && result.Tier != cache.TierFAQ {
		h["Age"] = []string{seconds(result.Age)}
	}
}

func writeJSON(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(http.StatusOK)
	w.Write(body)
}
