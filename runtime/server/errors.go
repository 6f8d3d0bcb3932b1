package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/telemetry"
	"ragops.dev/ragservice/runtime/upstream"
)

// statusError is a failure as the caller is told of it. What only the log is told
// is in cause.
type statusError struct {
	status int
	// code is one word for programs, such as query_too_long.
	code string
	// param names the request's field that is wrong.
	param string
	// message is one sentence that says what is wrong and what would be right.
	message    string
	retryAfter time.Duration
	allow      string // for status 405
	cause      error
}

func (e *statusError) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

func (e *statusError) Unwrap() error { return e.cause }

// badRequest is a mistake in a field of the request.
func badRequest(param, message string) *statusError {
	return &statusError{status: http.StatusBadRequest, code: "invalid_request", param: param, message: message}
}

// canceled is the status of a query whose caller went away; nobody reads it.
const canceled = 499

// asStatusError is the one place that decides what a failure looks like to the
// caller. The failure table of docs/failures.md is this function.
func asStatusError(err error) *statusError {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e
	}
	failure, ok := errors.AsType[*query.Error](err)
	switch {
	case ok:
		return ofPart(failure)
	case errors.Is(err, context.Canceled):
		return &statusError{status: canceled, code: "canceled", message: "The request was cancelled.", cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &statusError{status: http.StatusGatewayTimeout, code: "timeout", message: "The answer took too long.", cause: err}
	}
	return &statusError{status: http.StatusInternalServerError, code: "internal", message: "The service made a mistake; the log has more under this request's id.", cause: err}
}

func ofPart(failure *query.Error) *statusError {
	e := &statusError{status: http.StatusServiceUnavailable, cause: failure}
	up, _ := errors.AsType[*upstream.Error](failure)
	if up != nil && up.Kind == upstream.KindExhausted {
		return overloaded(time.Second, failure)
	}
	timeout := errors.Is(failure, context.DeadlineExceeded) || up != nil && up.Kind == upstream.KindTimeout
	if up != nil {
		e.retryAfter = up.RetryAfter
	}
	switch failure.Part {
	case query.PartEmbedding:
		e.code, e.message = "embedding_unavailable", "The embedding model is not available, so no passages can be found."
	case query.PartVectorStore:
		e.code, e.message = "vector_store_unavailable", "The vector store is not available, and without its passages an answer would be invented."
	case query.PartModel:
		e.status, e.code, e.message = http.StatusBadGateway, "model_unavailable", "The model is not available."
		if timeout {
			e.status, e.code, e.message = http.StatusGatewayTimeout, "model_timeout", "The model took too long."
		}
	default:
		e.status, e.code, e.message = http.StatusInternalServerError, "internal", "The service made a mistake; the log has more under this request's id."
	}
	if e.status == http.StatusServiceUnavailable && e.retryAfter == 0 {
		e.retryAfter = time.Second
	}
	return e
}

// outcome is what the metrics count the failure as.
func (e *statusError) outcome() telemetry.Outcome {
	switch {
	case e.status == canceled:
		return telemetry.OutcomeCanceled
	case e.code == codeOverloaded:
		return telemetry.OutcomeShed
	case e.status >= 500:
		return telemetry.OutcomeFailed
	}
	return telemetry.OutcomeRejected
}

// kind is the word for it in OpenAI's error bodies.
func (e *statusError) kind() string {
	switch {
	case e.status == http.StatusUnauthorized:
		return "authentication_error"
	case e.status == http.StatusForbidden:
		return "permission_error"
	case e.status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case e.status >= 500:
		return "server_error"
	}
	return "invalid_request_error"
}

// errorStyle is how an endpoint words failures.
type errorStyle int

const (
	// plainErrors are {"error": "…"}, as the service that was replaced gave them.
	plainErrors errorStyle = iota
	// openAIErrors are {"error": {"message", "type", "code", "param"}}.
	openAIErrors
)

// body is the response's body.
func (e *statusError) body(style errorStyle) []byte {
	var v any = map[string]string{"error": e.message}
	if style == openAIErrors {
		v = map[string]any{"error": openAIError{Message: e.message, Type: e.kind(), Code: e.code, Param: nullable(e.param)}}
	}
	b, err := json.Marshal(v)
	if err != nil { // strings only: cannot happen
		slog.Error("encode an error", "error", err)
	}
	return append(b, '\n')
}

type openAIError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Code    string  `json:"code"`
	Param   *string `json:"param"`
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// write sends the failure to the caller.
func (e *statusError) write(w http.ResponseWriter, style errorStyle) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if e.retryAfter > 0 {
		// Whole seconds, rounded up.
		h.Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	body := e.body(style)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.status)
	w.Write(body)
}
