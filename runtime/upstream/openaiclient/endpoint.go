// Package openaiclient asks endpoints of servers that speak OpenAI's API, for generation
// and embedding alike: any base URL, Azure included. It knows nothing of what is asked.
//
// The official client says what a request looks like, to which URL and with which
// headers, and reads streams. It makes every request anew from all of its options; here it
// makes one for each endpoint, and what is sent is that one with another body.
package openaiclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// Endpoint is one path of the API, such as chat/completions.
type Endpoint struct {
	baseURL  string
	client   *http.Client
	template *upstream.Template
}

// New returns an endpoint of a server, and asks nobody. The error names a key file that
// cannot be read, or a base URL that is none.
func New(cfg config.OpenAI, path string) (*Endpoint, error) {
	secret := upstream.Secret{File: cfg.APIKeyFile, Header: "Authorization", Prefix: "Bearer "}
	base := strings.TrimSuffix(cfg.BaseURL, "/")
	var options []option.RequestOption
	if cfg.AzureAPIVersion != "" {
		// A deployment's path and the key's header, as in Azure OpenAI's REST API
		// reference, data plane inference.
		secret = upstream.Secret{File: cfg.APIKeyFile, Header: "Api-Key"}
		base = strings.TrimSuffix(base, "/openai") + "/openai/deployments/" + url.PathEscape(cfg.Model)
		options = append(options, option.WithQuery("api-version", cfg.AzureAPIVersion))
	}
	client, err := upstream.NewHTTPClient(secret)
	if err != nil {
		return nil, fmt.Errorf("apiKeyFile: %w", err)
	}
	request, err := shape(path, append(options, option.WithBaseURL(base+"/")))
	if err != nil {
		return nil, fmt.Errorf("baseURL: %w", err)
	}
	return &Endpoint{baseURL: cfg.BaseURL, client: client, template: upstream.NewTemplate(client, request)}, nil
}

// shape returns the request that the official client would send.
func shape(path string, options []option.RequestOption) (*http.Request, error) {
	var kept keeper
	client := openai.Client{Options: append(options, option.WithHTTPClient(&kept), option.WithMaxRetries(0))}
	var none *http.Response
	if err := client.Post(context.Background(), path, []byte("{}"), &none); kept.request == nil {
		return nil, err
	}
	return kept.request, nil
}

// keeper takes the place of what sends the client's requests, and keeps one.
type keeper struct{ request *http.Request }

var _ option.HTTPClient = (*keeper)(nil)

var errKept = errors.New("kept instead of sent")

// Do implements [option.HTTPClient]. As an [http.Client] does, it says the user of a
// base URL that names one.
func (k *keeper) Do(request *http.Request) (*http.Response, error) {
	if user := request.URL.User; user != nil && request.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	k.request = request
	return nil, errKept
}

// Post sends a body of JSON and returns the response, whose body the caller must close.
// Failures are as [upstream.NewHTTPClient] has them; nothing is tried again.
func (e *Endpoint) Post(ctx context.Context, body []byte) (*http.Response, error) {
	return e.template.Send(ctx, body)
}

// Connect opens a connection to the server and leaves it to the next request.
func (e *Endpoint) Connect(ctx context.Context) error {
	return upstream.Connect(ctx, e.client, e.baseURL)
}
