package openaiclient_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream/openaiclient"
)

// TestUserOfBaseURL checks that a base URL with a user and a password works as with any
// other client.
func TestUserOfBaseURL(t *testing.T) {
	var user, password string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	options, _, err := openaiclient.Options(config.OpenAI{BaseURL: strings.Replace(server.URL, "://", "://gate:s%40fe@", 1) + "/v1"})
	if err != nil {
		t.Fatal(err)
	}
	client := openai.Client{Options: options}
	var response *http.Response
	if err := client.Post(t.Context(), "chat/completions", []byte(`{}`), &response); err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if user != "gate" || password != "s@fe" {
		t.Errorf("sent the user %q with the password %q, want gate and s@fe", user, password)
	}
}
