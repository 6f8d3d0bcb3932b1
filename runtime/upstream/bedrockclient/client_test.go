package bedrockclient

import (
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	"ragops.dev/ragservice/runtime/config"
)

// TestAnsweredBeforeWritten answers before net/http looks behind the end of the
// body, which it does on a goroutine of its own.
func TestAnsweredBeforeWritten(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"} {
		t.Setenv(name, value)
	}
	client, err := New(config.Bedrock{Region: "eu-west-1", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	var sent *http.Request
	input := &bedrockruntime.ConverseInput{ModelId: aws.String("m"), Messages: []types.Message{{
		Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "why?"}},
	}}}
	_, err = client.Converse(t.Context(), input, func(o *bedrockruntime.Options) {
		o.HTTPClient.(inMemory).client.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			sent = r
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, sent.Body, sent.ContentLength); err != nil {
		t.Errorf("read %d of %d bytes: %v", n, sent.ContentLength, err)
	}
	if n, err := io.Copy(io.Discard, sent.Body); n != 0 || err != nil {
		t.Errorf("behind the end: %d bytes, %v", n, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
