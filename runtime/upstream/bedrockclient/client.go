// Package bedrockclient configures the AWS client of Amazon Bedrock for
// generation and embedding alike. It sends nothing itself.
package bedrockclient

import (
	"context"
	"fmt"

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
		o.HTTPClient = client
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
	}), nil
}
