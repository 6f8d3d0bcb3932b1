package upstream

import (
	"context"
	"net/http"
)

// Template is a request that is sent again and again, each time with another body. It may
// be used by many at a time.
type Template struct {
	transport *transport
	request   *http.Request
}

// NewTemplate returns one that sends with a client that [NewHTTPClient] returned, but for
// what an [http.Client] does besides, of which nothing is left to do: that client follows no
// redirect, has no timeout and no cookies. The request must not be changed afterwards.
func NewTemplate(client *http.Client, request *http.Request) *Template {
	return &Template{transport: client.Transport.(*transport), request: request}
}

// Send sends the request with a body. The body must not be changed before the response
// has been read.
func (t *Template) Send(ctx context.Context, body []byte) (*http.Response, error) {
	return t.transport.send(withBody(ctx, t.request, body))
}
