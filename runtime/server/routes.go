package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// route is one method of one path. The table of routes is what the mux serves and
// what the OpenAPI document is checked against.
type route struct {
	method, path string
	style        errorStyle
	handler      handler
}

// newMux serves the routes. Another method of a path gets status 405 and another
// path 404, in the words of the neighbours.
func (s *Server) newMux(routes []route) *http.ServeMux {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	styles := map[string]errorStyle{}
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, s.handle(rt.style, rt.handler))
		methods[rt.path] = append(methods[rt.path], rt.method)
		styles[rt.path] = rt.style
	}
	for path, allowed := range methods {
		mux.Handle(path, s.handle(styles[path], methodNotAllowed(allowed)))
	}
	mux.Handle("/v1/", s.handle(openAIErrors, notFound))
	mux.Handle("/", s.handle(plainErrors, notFound))
	return mux
}

func methodNotAllowed(allowed []string) handler {
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(slices.Clone(allowed), http.MethodHead)
	}
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return func(_ http.ResponseWriter, r *http.Request) error {
		return &statusError{
			status: http.StatusMethodNotAllowed, code: "method_not_allowed", allow: allow,
			message: fmt.Sprintf("%s takes %s, not %s.", r.URL.Path, allow, r.Method),
		}
	}
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return &statusError{status: http.StatusNotFound, code: "not_found", message: fmt.Sprintf("There is nothing at %s.", r.URL.Path)}
}
