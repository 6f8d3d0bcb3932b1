// Package openaiclient configures the official OpenAI client for generation and
// embedding alike: any base URL, Azure included. It sends nothing itself.
package openaiclient

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/openai/openai-go/v3/option"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// Options returns the options of a service of the client, and what it sends its
// requests with. Its own retries are off, for [upstream.Do] has them. The error
// names a key file that cannot be read.
func Options(cfg config.OpenAI) ([]option.RequestOption, *http.Client, error) {
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
		return nil, nil, err
	}
	return append(options,
		option.WithHTTPClient(direct{client.Transport}),
		option.WithBaseURL(base+"/"),
		option.WithMaxRetries(0),
	), client, nil
}

// direct sends requests without what an [http.Client] does besides, of which nothing is
// left to do here: it follows no redirect, has no timeout and no cookies, and copies
// headers for all of that.
type direct struct{ http.RoundTripper }

var _ option.HTTPClient = direct{}

// Do implements [option.HTTPClient]. As an [http.Client] does, it sends the user of a
// base URL that names one.
func (d direct) Do(request *http.Request) (*http.Response, error) {
	if user := request.URL.User; user != nil && request.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	return d.RoundTrip(request)
}
