package testkit

import (
	"io"
	"net/http"
	"regexp"
)

// configName is the part of a configuration's name that depends on what is in it.
var configName = regexp.MustCompile(`-config-[0-9a-f]+`)

// Call names what an operator asks of the API server for one service, with NAME in
// the place of its name, such as "GET /api/v1/namespaces/a/services/NAME-redis". The
// pattern matches the names of services and nothing else. The service is empty where
// the request is of none, and the call where it is of a lease or an event.
func Call(request *http.Request, names *regexp.Regexp) (service, call string) {
	if aside(request) {
		return "", ""
	}
	path := configName.ReplaceAllString(request.URL.Path, "-config-HASH")
	service = names.FindString(path)
	if service == "" && request.Method == http.MethodPost && request.GetBody != nil {
		// What is created has its name in the body, whatever the encoding.
		if body, err := request.GetBody(); err == nil {
			if data, err := io.ReadAll(body); err == nil {
				service = names.FindString(string(data))
			}
		}
	}
	call = request.Method + " " + names.ReplaceAllString(path, "NAME")
	query := request.URL.Query()
	if query.Get("watch") != "" {
		call += " (watch)"
	}
	if owner := query.Get("fieldManager"); owner != "" {
		call += " as " + owner
	}
	return service, call
}
