package server

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"time"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/cache"
)

// faqFormats are the content types that PUT /v1/faq takes, with the ending of a
// file of that format.
var faqFormats = map[string]string{"application/json": "faq.json", "application/yaml": "faq.yaml", "text/csv": "faq.csv"}

// faqResponse counts what was put.
type faqResponse struct {
	Pairs int `json:"pairs"`
}

// putFAQ replaces the curated answers that were put before, in all replicas.
func (s *Server) putFAQ(w http.ResponseWriter, r *http.Request, _ access.Identity) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	name, ok := faqFormats[media]
	if err != nil || !ok {
		return &statusError{
			status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
			message: fmt.Sprintf("The content type is %q; send application/json, application/yaml or text/csv.", r.Header.Get("Content-Type")),
		}
	}
	if s.cache == nil {
		return noFAQ(cache.ErrNoFAQ)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxDocumentsBody)); err != nil {
		return readError(err, maxDocumentsBody)
	}
	pairs, err := cache.ParseFAQ(name, body.Bytes())
	if err != nil {
		return badRequest("", "The FAQ is wrong: "+err.Error()+".")
	}
	err = s.cache.PutFAQ(r.Context(), pairs)
	switch {
	case errors.Is(err, cache.ErrNoFAQ), errors.Is(err, cache.ErrFAQNotShared):
		return noFAQ(err)
	case err != nil:
		return &statusError{status: http.StatusServiceUnavailable, code: "cache_unavailable", retryAfter: time.Second, message: "Redis, through which the replicas share the FAQ, could not be asked.", cause: err}
	}
	return respond(w, faqResponse{Pairs: len(pairs)})
}

func noFAQ(err error) error {
	return &statusError{status: http.StatusConflict, code: "read_only", message: "The FAQ cannot be changed here: " + err.Error() + "."}
}
