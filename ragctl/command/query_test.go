package command

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ragops.dev/ragservice/ragctl/ask"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/server"
)

// startRuntime runs the query runtime on embedded parts, with one document, and
// returns the URL of its query port.
func startRuntime(t *testing.T) string {
	t.Helper()
	documents := t.TempDir()
	document := "# Passwords\n\nReset your password on the account page. A new password must have twelve characters.\n"
	if err := os.WriteFile(filepath.Join(documents, "passwords.md"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse([]byte(`
version: ragservice/v1
service: {name: support, namespace: rag}
model: {extractive: {}}
embedding: {lexical: {}}
vectorStore: {memory: {documents: [` + documents + `]}}
cache: {ttl: 5m, local: {}}
server: {queryAddress: "127.0.0.1:0", adminAddress: "127.0.0.1:0", drainDelay: 1ms}
`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	listening, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Config: cfg, Log: slog.New(slog.DiscardHandler), Listening: func(queries, _ net.Addr) { listening <- queries },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the runtime ended with %v", err)
		}
	})
	select {
	case address := <-listening:
		return "http://" + address.String()
	case err := <-ended:
		ended <- nil
		t.Fatalf("the runtime does not start: %v", err)
		return ""
	}
}

// ragctl runs a command line and returns what it says.
func ragctl(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), append([]string{"ragctl"}, args...), Streams{In: strings.NewReader(in), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

// TestQuery asks a real runtime.
func TestQuery(t *testing.T) {
	url := startRuntime(t)
	code, out, errOut := ragctl(t, "", "query", "--url", url, "How do I reset my password?")
	if code != ExitDone || !strings.Contains(out, "Reset your password on the account page.") || strings.Contains(out, "X-Cache") {
		t.Errorf("exit code %d, want 0, and the answer alone on standard output:\n%s\n%s", code, out, errOut)
	}
	for _, want := range []string{"[1] passwords.md (", "X-Cache: MISS, first words after "} {
		if !strings.Contains(errOut, want) {
			t.Errorf("standard error does not say %q:\n%s", want, errOut)
		}
	}

	// The same question from standard input, as data: the cache answers.
	code, out, errOut = ragctl(t, "How do I reset my password?\n", "query", "--url", url, "-o", "json", "-")
	var answer ask.Answer
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != ExitDone {
		t.Fatalf("exit code %d and %v, want 0 and JSON:\n%s\n%s", code, err, out, errOut)
	}
	if answer.Cache != "HIT-L1" || answer.Age == "" || len(answer.Sources) == 0 || answer.Sources[0].Source != "passwords.md" || answer.Text == "" || answer.RequestID == "" {
		t.Errorf("the second answer is %+v, want one of the local cache with its source", answer)
	}
	code, _, errOut = ragctl(t, "", "query", "--url", url, "--no-cache", "How do I reset my password?")
	if code != ExitDone || !strings.Contains(errOut, "X-Cache: MISS") {
		t.Errorf("exit code %d, want 0 and an answer made anew: %s", code, errOut)
	}
}

func TestQueryRefused(t *testing.T) {
	url := startRuntime(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"Half an\"}}]}\n\n"))
	}))
	t.Cleanup(broken.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := []struct {
		name    string
		args    []string
		want    int
		wantErr string
	}{
		{name: "no question", args: []string{"--url", url}, want: ExitUsage, wantErr: "with --url there is one argument, the question; got 0"},
		{name: "a question without quotes", args: []string{"support", "How", "are", "you?"}, want: ExitUsage, wantErr: "there are two arguments, the name of a RAGService and the question; got 4 (put the question in quotes)"},
		{name: "an empty question", args: []string{"--url", url, " "}, want: ExitUsage, wantErr: "the question is empty"},
		{name: "a URL that is none", args: []string{"--url", "localhost:8080", "q"}, want: ExitFailed, wantErr: `"localhost:8080" is no http or https URL, such as http://localhost:8080`},
		{name: "an output there is not", args: []string{"--url", url, "-o", "xml", "q"}, want: ExitUsage, wantErr: `--output is "xml", and must be text or json`},
		{name: "no key where its file should be", args: []string{"--url", url, "--api-key-file", "nowhere", "q"}, want: ExitFailed, wantErr: "read the API key: open nowhere"},
		{name: "what the service refuses, in its own words", args: []string{"--url", url, "--top-k", "100000", "q"}, want: ExitFailed, wantErr: "400 Bad Request: "},
		{name: "another server", args: []string{"--url", other.URL, "q"}, want: ExitFailed, wantErr: "404 Not Found: is this the query port of a RAGService?"},
		{name: "half an answer", args: []string{"--url", broken.URL, "q"}, want: ExitFailed, wantErr: "the answer broke off before its end"},
		{name: "nobody there", args: []string{"--url", gone.URL, "q"}, want: ExitFailed, wantErr: "connection refused"},
		{name: "no time", args: []string{"--url", url, "--timeout", "1ns", "q"}, want: ExitFailed, wantErr: "no whole answer within 1ns (--timeout)"},
		{name: "no cluster", args: []string{"support", "q", "--kubeconfig", "nowhere"}, want: ExitFailed, wantErr: "nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errOut := ragctl(t, "", append([]string{"query"}, tt.args...)...)
			if code != tt.want || !strings.Contains(errOut, tt.wantErr) {
				t.Errorf("exit code %d, want %d, and standard error to say %q:\n%s", code, tt.want, tt.wantErr, errOut)
			}
		})
	}
}

// TestQueryKey checks that the key reaches the service, from a file or the
// environment.
func TestQueryKey(t *testing.T) {
	seen := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		_, _ = w.Write([]byte("data: [DONE]\n\n"))
	}))
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(apiKeyVariable, "from-the-environment")
	for want, args := range map[string][]string{
		"Bearer from-the-environment": {"query", "--url", s.URL, "q"},
		"Bearer from-a-file":          {"query", "--url", s.URL, "--api-key-file", file, "q"},
	} {
		if code, _, errOut := ragctl(t, "", args...); code != ExitDone {
			t.Fatalf("exit code %d: %s", code, errOut)
		}
		if got := <-seen; got != want {
			t.Errorf("the service sees %q, want %q", got, want)
		}
	}
}
