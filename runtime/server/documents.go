package server

import (
	"errors"
	"fmt"
	"net/http"

	"ragops.dev/ragservice/runtime/access"
	"ragops.dev/ragservice/runtime/ingest"
	"ragops.dev/ragservice/runtime/query"
	"ragops.dev/ragservice/runtime/retrieve"
	"ragops.dev/ragservice/runtime/upstream"
)

const (
	// maxDocumentsBody bounds one POST /v1/documents: documents are longer than
	// questions.
	maxDocumentsBody = 16 << 20
	// maxDocuments of one request.
	maxDocuments = 100
)

// documentsRequest is the body of POST /v1/documents.
type documentsRequest struct {
	Documents []document `json:"documents"`
}

type document struct {
	// ID names the document; putting another of the same ID replaces it.
	ID string `json:"id"`
	// Source says where it is from; the ID where it is left out.
	Source string `json:"source"`
	// Format of the text: text, markdown or html; markdown where it is left out.
	Format   string         `json:"format"`
	Text     string         `json:"text"`
	Metadata map[string]any `json:"metadata"`
}

// documentsResponse counts what was written.
type documentsResponse struct {
	Documents int `json:"documents"`
	Passages  int `json:"passages"`
}

func (s *Server) putDocuments(w http.ResponseWriter, r *http.Request, _ access.Identity) error {
	store, err := s.writer()
	if err != nil {
		return err
	}
	var body documentsRequest
	if err := decodeJSON(w, r, maxDocumentsBody, true, &body); err != nil {
		return err
	}
	documents, err := body.check()
	if err != nil {
		return err
	}
	response := documentsResponse{}
	for i, d := range documents {
		passages, err := retrieve.Put(r.Context(), store, s.service.Embedder, d)
		if err != nil {
			return documentError(i, err)
		}
		response.Documents++
		response.Passages += passages
	}
	return respond(w, response)
}

// check looks at all documents before the first is written.
func (b *documentsRequest) check() ([]retrieve.Document, error) {
	if n := len(b.Documents); n == 0 || n > maxDocuments {
		return nil, badRequest("documents", fmt.Sprintf("The request holds %d documents and must hold between 1 and %d.", n, maxDocuments))
	}
	documents := make([]retrieve.Document, 0, len(b.Documents))
	for i, d := range b.Documents {
		param := fmt.Sprintf("documents[%d]", i)
		format, ok := formats[d.Format]
		switch {
		case d.ID == "":
			return nil, badRequest(param+".id", "A document needs an id.")
		case d.Text == "":
			return nil, badRequest(param+".text", "A document needs a text.")
		case !ok:
			return nil, badRequest(param+".format", fmt.Sprintf("The format is %q and must be text, markdown or html.", d.Format))
		}
		documents = append(documents, retrieve.Document{ID: d.ID, Source: d.Source, Format: format, Text: []byte(d.Text), Metadata: d.Metadata})
	}
	return documents, nil
}

// documentError tells a document that cannot be taken from a server that is away.
func documentError(i int, err error) error {
	if _, ok := errors.AsType[*upstream.Error](err); ok {
		return &query.Error{Part: query.PartVectorStore, Err: err}
	}
	return badRequest(fmt.Sprintf("documents[%d]", i), fmt.Sprintf("Document %d was not taken: %v.", i+1, err))
}

func (s *Server) deleteDocuments(w http.ResponseWriter, r *http.Request, _ access.Identity) error {
	store, err := s.writer()
	if err != nil {
		return err
	}
	ids := r.URL.Query()["id"]
	if len(ids) == 0 || len(ids) > maxDocuments {
		return badRequest("id", fmt.Sprintf("Name between 1 and %d documents, as in /v1/documents?id=a&id=b.", maxDocuments))
	}
	if err := retrieve.Remove(r.Context(), store, ids); err != nil {
		return &query.Error{Part: query.PartVectorStore, Err: err}
	}
	return respond(w, documentsResponse{Documents: len(ids)})
}

func (s *Server) writer() (retrieve.Writer, error) {
	store, err := retrieve.WriterOf(s.service.Store)
	if err != nil {
		return nil, &statusError{status: http.StatusConflict, code: "read_only", message: "Documents cannot be written here: " + err.Error() + "."}
	}
	return store, nil
}

var formats = map[string]ingest.Format{"": ingest.Markdown, "markdown": ingest.Markdown, "text": ingest.Text, "html": ingest.HTML}
