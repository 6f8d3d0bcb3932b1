package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "sk-not-for-anybody"

// server starts a server and returns a client with a secret.
func server(t *testing.T, handler http.HandlerFunc) (url string, client *http.Client) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := NewHTTPClient(Secret{File: file, Header: "Authorization", Prefix: "Bearer "})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return s.URL, client
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func TestHTTPClientErrors(t *testing.T) {
	reply := func(status int, header, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    Error
		wantErr string
	}{
		{
			name: "OpenAI's error, whose text repeats the key", handler: reply(401, "", "", `{"error":{"message":"Incorrect API key provided: `+secret+`","type":"invalid_request_error","code":"invalid_api_key"}}`),
			want: Error{Kind: KindRejected, Status: 401}, wantErr: ": rejected (status 401): invalid_api_key",
		},
		{
			name: "Anthropic's error", handler: reply(529, "", "", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
			want: Error{Kind: KindUnavailable, Status: 529}, wantErr: ": unavailable (status 529): overloaded_error",
		},
		{
			name: "AWS' error", handler: reply(400, "X-Amzn-ErrorType", "ValidationException:http://internal.amazon.com/", `{"message":"a question"}`),
			want: Error{Kind: KindRejected, Status: 400}, wantErr: ": rejected (status 400): ValidationException",
		},
		{
			name: "an error of Text Embeddings Inference", handler: reply(413, "", "", `{"error":"batch size 99 > maximum 32","error_type":"Validation"}`),
			want: Error{Kind: KindRejected, Status: 413}, wantErr: ": rejected (status 413): Validation",
		},
		{
			name: "too many requests", handler: reply(429, "Retry-After", "7", ""),
			want: Error{Kind: KindRateLimited, Status: 429, RetryAfter: 7 * time.Second}, wantErr: ": rate limited (status 429)",
		},
		{name: "no code and a page", handler: reply(403, "", "", "<html>"), want: Error{Kind: KindRejected, Status: 403}, wantErr: ": rejected (status 403): the key or its permissions are wrong"},
		{name: "a key in place of a code", handler: reply(500, "", "", `{"error":{"code":"`+secret+`"}}`), want: Error{Kind: KindUnavailable, Status: 500}, wantErr: ": unavailable (status 500)"},
		{name: "gateway's timeout", handler: reply(504, "", "", ""), want: Error{Kind: KindTimeout, Status: 504}, wantErr: ": timeout (status 504)"},
		{
			name: "a redirect", handler: reply(307, "Location", "http://127.0.0.1:1/", ""),
			want: Error{Kind: KindRejected, Status: 307}, wantErr: ": rejected (status 307): a redirect, which is not followed: set the URL it leads to",
		},
		{
			name: "cut off",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "9")
				fmt.Fprint(w, "half")
			},
			want: Error{Kind: KindInvalidResponse}, wantErr: ": invalid response: the response was cut off: unexpected EOF",
		},
		{
			name: "no HTTP, with the secret in it",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				fmt.Fprint(conn, secret+" \"quoted\"\r\n")
			},
			want: Error{Kind: KindUnavailable}, wantErr: ": unavailable: malformed HTTP status code …",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url, client := server(t, tt.handler)
			_, err := get(t.Context(), client, url)
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v, want an *Error", err)
			}
			if diff := cmp.Diff(tt.want, *e, cmpopts.IgnoreFields(Error{}, "Err"), cmpopts.IgnoreUnexported(Error{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if e.Error() != tt.wantErr {
				t.Errorf("got %q, want %q", e.Error(), tt.wantErr)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestHTTPClientWithoutAServer(t *testing.T) {
	url, client := server(t, nil)
	address := strings.TrimPrefix(url, "http://")
	closed := httptest.NewServer(nil)
	closed.Close()
	_, err := Do(t.Context(), new(Registry).New("store"), func(ctx context.Context) ([]byte, error) {
		return get(ctx, client, closed.URL+"/path?key="+secret)
	})
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != KindUnavailable || strings.Contains(err.Error(), secret) || address == "" {
		t.Errorf("got %v, want that it is unavailable, without the URL", err)
	}
}

// TestNothingLeftToConnectWith dials from an address that the system refuses as it
// does when all ports are in use.
func TestNothingLeftToConnectWith(t *testing.T) {
	nowhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}}
	client := &http.Client{Transport: &transport{base: &http.Transport{DialContext: nowhere.DialContext}}}
	u := new(Registry).New("store")
	for range breakerCalls {
		_, err := Do(t.Context(), u, func(ctx context.Context) ([]byte, error) { return get(ctx, client, "http://127.0.0.1:1") })
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindExhausted {
			t.Fatalf("got %v, want that there is nothing left to connect with", err)
		}
	}
	if got := u.Health(); got.Breaker != "closed" || !got.LastFailure.IsZero() {
		t.Errorf("got %+v, want a server that nothing is held against", got)
	}
}

func TestHTTPClientTimeout(t *testing.T) {
	gone := make(chan struct{})
	url, client := server(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := Do(ctx, new(Registry).New("store"), func(ctx context.Context) ([]byte, error) { return get(ctx, client, url) })
	if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindTimeout {
		t.Errorf("got %v, want a timeout", err)
	}
	<-gone // the server sees that nobody waits any more
}

// TestSecretIsReadAgain rotates a secret: the next requests carry the new one,
// without a new client.
func TestSecretIsReadAgain(t *testing.T) {
	keys := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { keys <- r.Header.Get("X-Key") }))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	client, err := NewHTTPClient(Secret{File: file, Header: "X-Key"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	sent := func() string {
		if _, err := get(t.Context(), client, s.URL); err != nil {
			t.Fatal(err)
		}
		return <-keys
	}
	if got := sent(); got != "first" {
		t.Errorf("sent %q, want the first key", got)
	}
	write("second")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); sent() != "second"; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the second key is not sent 5 s after it was written")
		}
	}
}

func TestMissingSecret(t *testing.T) {
	_, err := NewHTTPClient(Secret{File: filepath.Join(t.TempDir(), "none"), Header: "X-Key"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that the file does not exist", err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, header, value string
		want                time.Duration
	}{
		{name: "none"},
		{name: "seconds", header: "Retry-After", value: "3", want: 3 * time.Second},
		{name: "parts of a second", header: "Retry-After", value: "0.5", want: 500 * time.Millisecond},
		{name: "milliseconds", header: "Retry-After-Ms", value: "250", want: 250 * time.Millisecond},
		{name: "a date", header: "Retry-After", value: "Fri, 02 Jan 2026 03:04:35 GMT", want: 30 * time.Second},
		{name: "a date gone by", header: "Retry-After", value: "Fri, 02 Jan 2026 03:04:00 GMT"},
		{name: "negative", header: "Retry-After", value: "-1"},
		{name: "too long", header: "Retry-After", value: "1e300", want: maxRetryAfter},
		{name: "not a number", header: "Retry-After", value: "NaN"},
		{name: "garbage", header: "Retry-After", value: "soon"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.header != "" {
				header.Set(tt.header, tt.value)
			}
			if got := retryAfter(header, now); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
