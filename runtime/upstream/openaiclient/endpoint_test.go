package openaiclient_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/upstream/openaiclient"
)

// asked is a request as a server sees it.
type asked struct {
	Method, URL, Body string
	Header            http.Header
}

// recorder is a server that answers every request with what it was asked.
func recorder(t *testing.T) (url string, got <-chan asked) {
	requests := make(chan asked, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- asked{Method: r.Method, URL: r.URL.String(), Body: string(body), Header: r.Header}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "{}")
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// TestPostsAsTheClient compares with what the official client sends when it is left to
// send itself.
func TestPostsAsTheClient(t *testing.T) {
	url, got := recorder(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("k-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		cfg     config.OpenAI
		options []option.RequestOption
	}{
		{
			name: "OpenAI", cfg: config.OpenAI{BaseURL: url + "/v1/", APIKeyFile: key},
			options: []option.RequestOption{option.WithBaseURL(url + "/v1/"), option.WithAPIKey("k-1")},
		},
		{
			name: "without a key", cfg: config.OpenAI{BaseURL: url + "/v1"},
			options: []option.RequestOption{option.WithBaseURL(url + "/v1/")},
		},
		{
			name: "Azure", cfg: config.OpenAI{BaseURL: url + "/openai", Model: "a model", AzureAPIVersion: "2024-10-21", APIKeyFile: key},
			options: []option.RequestOption{
				option.WithBaseURL(url + "/openai/deployments/a%20model/"),
				option.WithQuery("api-version", "2024-10-21"), option.WithHeader("Api-Key", "k-1"),
			},
		},
		{
			name: "a user in the URL", cfg: config.OpenAI{BaseURL: strings.Replace(url, "://", "://gate:s%40fe@", 1) + "/v1"},
			options: []option.RequestOption{option.WithBaseURL(strings.Replace(url, "://", "://gate:s%40fe@", 1) + "/v1/")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			endpoint, err := openaiclient.New(tt.cfg, "chat/completions")
			if err != nil {
				t.Fatal(err)
			}
			const body = `{"model":"m"}`
			response, err := endpoint.Post(t.Context(), []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			ours := <-got
			client := openai.Client{Options: append(tt.options, option.WithMaxRetries(0))}
			var answer struct{}
			if err := client.Post(t.Context(), "chat/completions", []byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			theirs := <-got
			theirs.Header.Del("Accept-Encoding") // net/http's transport asks for gzip by itself
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("(-the client's +ours):\n%s", diff)
			}
		})
	}
}

// TestPostsAtTheSameTime shows that each gets the answer to its own body.
func TestPostsAtTheSameTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "key") // for each request has headers of its own then
	if err := os.WriteFile(key, []byte("k-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	endpoint, err := openaiclient.New(config.OpenAI{BaseURL: server.URL, APIKeyFile: key}, "embeddings")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 20 {
				want := fmt.Sprintf("%d/%d", i, j)
				response, err := endpoint.Post(t.Context(), []byte(want))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(response.Body)
				if response.Body.Close(); err != nil || string(got) != want {
					t.Errorf("got %q and %v, want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestNewRefuses shows what is wrong.
func TestNewRefuses(t *testing.T) {
	for want, cfg := range map[string]config.OpenAI{
		"apiKeyFile: ": {BaseURL: "http://localhost", APIKeyFile: filepath.Join(t.TempDir(), "none")},
		"baseURL: ":    {BaseURL: "http://local host:x"},
	} {
		if _, err := openaiclient.New(cfg, "embeddings"); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want an error that begins with %q", err, want)
		}
	}
}

// TestConnect shows that nothing is asked of the endpoint.
func TestConnect(t *testing.T) {
	url, got := recorder(t)
	endpoint, err := openaiclient.New(config.OpenAI{BaseURL: url + "/v1"}, "embeddings")
	if err != nil {
		t.Fatal(err)
	}
	if err := endpoint.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if request := <-got; request.Method != http.MethodHead || request.URL != "/" {
		t.Errorf("asked %s %s", request.Method, request.URL)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := endpoint.Connect(ctx); err == nil {
		t.Error("connected although nobody waits any more")
	}
}
