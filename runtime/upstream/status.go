package upstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// refused turns a response with a status of 300 or more into an error. Of the
// body it takes nothing but the error's code: the text may repeat the question or
// the key.
func refused(response *http.Response) *Error {
	head, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBytes))
	e := &Error{Status: response.StatusCode, RetryAfter: retryAfter(response.Header, time.Now())}
	amazon, _, _ := strings.Cut(response.Header.Get("X-Amzn-Errortype"), ":")
	if code := cmp.Or(token(amazon), ErrorCode(head)); code != "" && err == nil {
		e.Err = errors.New(code)
	}
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests:
		e.Kind = KindRateLimited
	case status == http.StatusRequestTimeout || status == http.StatusGatewayTimeout:
		e.Kind = KindTimeout
	case status >= http.StatusInternalServerError:
		e.Kind = KindUnavailable
	default:
		e.Kind = KindRejected
	}
	if e.Err == nil {
		e.Err = hint(response.StatusCode)
	}
	return e
}

// hint says what a status mostly means where the server gave no code.
func hint(status int) error {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errors.New("the key or its permissions are wrong")
	case status == http.StatusNotFound:
		return errors.New("no such URL, or no such model")
	case status < http.StatusBadRequest:
		return errors.New("a redirect, which is not followed: set the URL it leads to")
	default:
		return nil
	}
}

// ErrorCode finds the machine-readable name of an error in a body: in {"error":
// {"code", "type"}} of OpenAI and Anthropic, or in {"error_type"} of Text
// Embeddings Inference. It is empty where there is none.
func ErrorCode(body []byte) string {
	var answer struct {
		Error     json.RawMessage `json:"error"`
		ErrorType any             `json:"error_type"`
	}
	var nested struct {
		Code any `json:"code"`
		Type any `json:"type"`
	}
	if json.Unmarshal(body, &answer) == nil {
		_ = json.Unmarshal(answer.Error, &nested) // a string there has no code in it
	}
	return cmp.Or(token(nested.Code), token(nested.Type), token(answer.ErrorType))
}

// token returns the value if it is a name, and not a sentence or a key.
func token(value any) string {
	if name, ok := value.(string); ok && tokenPattern.MatchString(name) {
		return name
	}
	return ""
}

var tokenPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{1,47}$`)

// maxRetryAfter is the longest wait that is believed.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After (RFC 9110, section 10.2.3: seconds or a date) and
// the milliseconds that OpenAI sends beside it.
func retryAfter(header http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	if ms, err := strconv.ParseFloat(header.Get("Retry-After-Ms"), 64); err == nil {
		wait = time.Duration(min(ms/1000, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if s, err := strconv.ParseFloat(header.Get("Retry-After"), 64); err == nil {
		wait = time.Duration(min(s, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(header.Get("Retry-After")); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
