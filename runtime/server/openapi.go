package server

import (
	_ "embed"
	"net/http"
	"strconv"
)

// openAPI describes the query port. A test checks it against the routes and
// against what the handlers answer.
//
//go:embed openapi.yaml
var openAPI []byte

func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Length", strconv.Itoa(len(openAPI)))
	w.Write(openAPI)
	return nil
}
