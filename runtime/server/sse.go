package server

import (
	"bytes"
	"net/http"

	"ragops.dev/ragservice/runtime/query"
)

// events writes server-sent events, each with one line of JSON.
type events struct {
	w     http.ResponseWriter
	flush func() error
	err   error // the first; nothing is written after it
}

func newEvents(w http.ResponseWriter) *events {
	return &events{w: w, flush: http.NewResponseController(w).Flush}
}

func (e *events) begin(result query.Result) {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx must not collect the pieces
	setCacheHeaders(h, result)
	e.w.WriteHeader(http.StatusOK)
}

// data sends one event and flushes it.
func (e *events) data(v any) error {
	line, err := encode(v)
	if err != nil {
		return err
	}
	return e.raw(line)
}

// raw sends one event of a line that holds no line break, as JSON never does.
func (e *events) raw(line []byte) error {
	if e.err != nil {
		return e.err
	}
	buf := make([]byte, 0, len(line)+8)
	buf = append(buf, "data: "...)
	buf = append(buf, line...)
	buf = append(buf, "\n\n"...)
	if _, e.err = e.w.Write(buf); e.err == nil {
		e.err = e.flush()
	}
	return e.err
}

// done sends OpenAI's end of a stream.
func (e *events) done() error { return e.raw([]byte("[DONE]")) }

// legacyStream is POST /query with "stream": true: {"delta": "…"} for each piece,
// then the whole answer as without stream, then [DONE].
type legacyStream struct{ *events }

var _ stream = legacyStream{}

func newLegacyStream(w http.ResponseWriter) legacyStream { return legacyStream{newEvents(w)} }

type legacyDelta struct {
	Delta string `json:"delta"`
}

func (s legacyStream) start(result query.Result) { s.begin(result) }

func (s legacyStream) delta(text string) error { return s.data(legacyDelta{text}) }

func (s legacyStream) end(result query.Result) error {
	if err := s.raw(oneLine(result.Body)); err != nil {
		return err
	}
	return s.done()
}

func (s legacyStream) fail(failure *statusError) {
	_ = s.raw(oneLine(failure.body(plainErrors))) // nobody is left to tell
}

// oneLine returns JSON without line breaks: a body that another writer left in
// Redis may be indented, and a line break would end the event.
func oneLine(body []byte) []byte {
	if bytes.IndexByte(body, '\n') < 0 && bytes.IndexByte(body, '\r') < 0 {
		return body
	}
	// Between tokens a line break is white space, and inside of strings JSON has none.
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, body)
}
