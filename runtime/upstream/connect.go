package upstream

import (
	"context"
	"net/http"
	"net/url"
)

// Connect opens a connection to the server of a URL and leaves it to the client's
// next request, so that the first query waits for no name, no TCP and no TLS.
// Nothing is asked of the server and no secret is sent: whatever it answers will
// do, and neither its health nor its breaker hears of it.
func Connect(ctx context.Context, client *http.Client, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	root := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, root.String(), nil)
	if err != nil {
		return err
	}
	bare := client.Transport
	if t, ok := bare.(*transport); ok {
		bare = t.base
	}
	response, err := bare.RoundTrip(request)
	if err != nil {
		return withoutURL(err)
	}
	return response.Body.Close()
}
