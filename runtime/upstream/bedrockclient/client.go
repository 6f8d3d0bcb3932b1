// Package bedrockclient configures the AWS client of Amazon Bedrock for
// generation and embedding alike. It sends nothing itself.
package bedrockclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream"
)

// New returns a client with the default credential chain: environment, IRSA, EKS
// Pod Identity, instance role. Credentials are looked for with the first call and
// renewed as they expire. The client's own retries are off, for [upstream.Do] has
// them.
func New(cfg config.Bedrock) (*bedrockruntime.Client, error) {
	aws, err := awsconfig.LoadDefaultConfig(context.Background(),
		awsconfig.WithRegion(cfg.Region),
		awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	client, err := upstream.NewHTTPClient(upstream.Secret{})
	if err != nil {
		return nil, err
	}
	return bedrockruntime.NewFromConfig(aws, func(o *bedrockruntime.Options) {
		o.HTTPClient = inMemory{client}
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
	}), nil
}

// inMemory sends requests whose bodies net/http knows to be in memory.
//
// The AWS client wraps a body so that it is at its end as soon as [http.Client.Do]
// has returned. net/http sends the head of such a request in a packet of its own, and
// looks behind the body's end after it was sent. Where the server has begun to answer
// by then, net/http takes the end it finds for a failed write and closes the
// connection, in the middle of the answer.
type inMemory struct{ client *http.Client }

var _ aws.HTTPClient = inMemory{}

// Do implements [aws.HTTPClient].
func (c inMemory) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err := errors.Join(err, request.Body.Close()); err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		request = request.WithContext(request.Context()) // the body is the caller's
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	return c.client.Do(request)
}
