package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"sync"
	"unicode/utf8"
)

// bodies are buffers for request bodies. Decoding copies all it keeps.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooledBody is the largest buffer that is kept: most questions are small.
const maxPooledBody = 64 << 10

// decodeJSON reads a body of at most limit bytes that holds one JSON object. A
// field that into does not have is an error where strict.
func decodeJSON(w http.ResponseWriter, r *http.Request, limit int64, strict bool, into any) error {
	return withBody(w, r, limit, func(body []byte) error { return unmarshal(body, strict, into) })
}

// withBody reads a body of at most limit bytes and hands it on. What it gets must
// not be kept.
func withBody(w http.ResponseWriter, r *http.Request, limit int64, use func(body []byte) error) error {
	if err := checkContentType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	buf := bodies.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxPooledBody {
			bodies.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		return readError(err, limit)
	}
	return use(buf.Bytes())
}

// plainQuestion reads the body that nearly all callers of the legacy endpoint
// send, {"query": "…"}, in a tenth of the time that a decoder takes. It knows no
// escapes and no other field: a body that has any is not ok, and not wrong either.
func plainQuestion(body []byte) (question string, ok bool) {
	rest := body
	for _, token := range []string{"{", `"query"`, ":", `"`} {
		if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, jsonSpace), []byte(token)); !ok {
			return "", false
		}
	}
	end := bytes.IndexByte(rest, '"')
	if end < 0 || string(bytes.Trim(rest[end+1:], jsonSpace)) != "}" {
		return "", false
	}
	text := rest[:end]
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return "", false
		}
	}
	return string(text), utf8.Valid(text)
}

const jsonSpace = " \t\r\n"

func checkContentType(value string) error {
	if value == "application/json" || value == "" {
		return nil
	}
	if media, _, err := mime.ParseMediaType(value); err == nil && media == "application/json" {
		return nil
	}
	return &statusError{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		message: fmt.Sprintf("The content type is %q; send application/json.", value),
	}
}

func readError(err error, limit int64) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{
			status: http.StatusRequestEntityTooLarge, code: "request_too_large",
			message: fmt.Sprintf("The request's body is longer than %d bytes.", limit),
		}
	}
	return &statusError{status: http.StatusBadRequest, code: "invalid_request", message: "The request's body could not be read to its end.", cause: err}
}

// unmarshal decodes one JSON object and says in plain words what is wrong with it.
func unmarshal(data []byte, strict bool, into any) error {
	if !utf8.Valid(data) {
		return badRequest("", "The body is not valid UTF-8.")
	}
	if trimmed := bytes.TrimLeft(data, jsonSpace); len(trimmed) == 0 || trimmed[0] != '{' {
		return badRequest("", "The body must be a JSON object.")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(into); err != nil {
		return jsonError(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("", "The body holds more than one JSON object.")
	}
	return nil
}

func jsonError(err error) error {
	if e, ok := errors.AsType[*statusError](err); ok { // from an UnmarshalJSON of ours
		return e
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest(e.Field, fmt.Sprintf("The field %s is a JSON %s and must be %s.", e.Field, e.Value, wanted(e.Type.Kind())))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return badRequest("", fmt.Sprintf("The body is not valid JSON: %s at byte %d.", e.Error(), e.Offset))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return badRequest("", "The body is not valid JSON: it ends too early.")
	}
	const unknown = "json: unknown field "
	if text := err.Error(); len(text) > len(unknown) && text[:len(unknown)] == unknown {
		return badRequest("", fmt.Sprintf("The field %s is not known.", text[len(unknown):]))
	}
	return &statusError{status: http.StatusBadRequest, code: "invalid_request", message: "The body is not valid JSON.", cause: err}
}

// wanted names a Go kind as a JSON writer would.
func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}
