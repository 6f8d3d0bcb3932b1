package server

import (
	"fmt"
	"net/http"
)

// modelList is OpenAI's list of models.
type modelList struct {
	Object string        `json:"object"`
	Data   []modelObject `json:"data"`
}

type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) modelObject() modelObject {
	return modelObject{ID: s.model, Object: "model", Created: s.started.Unix(), OwnedBy: "ragservice"}
}

// models lists the one model there is.
func (s *Server) models(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.identify(r); err != nil {
		return err
	}
	return respond(w, modelList{Object: "list", Data: []modelObject{s.modelObject()}})
}

func (s *Server) modelByID(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.identify(r); err != nil {
		return err
	}
	if id := r.PathValue("model"); id != s.model {
		return &statusError{status: http.StatusNotFound, code: "model_not_found", param: "model", message: fmt.Sprintf("There is no model %q; the only one is %q.", id, s.model)}
	}
	return respond(w, s.modelObject())
}
