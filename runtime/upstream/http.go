package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"

	"ragops.dev/ragservice/runtime/reload"
)

const (
	// maxResponseBytes bounds the body of one response.
	maxResponseBytes = 64 << 20
	// maxErrorBytes is how much of an error's body is read for its code.
	maxErrorBytes = 16 << 10
)

// Secret is sent in a header of each request.
type Secret struct {
	// File holds it and is read again when it changes. Empty sends none.
	File string
	// Header and Prefix, such as Authorization and "Bearer ".
	Header, Prefix string
}

// NewHTTPClient returns a client whose failures are [*Error]s already: a status
// of 300 or more, no connection, a body that ends too soon. It has no timeout of
// its own, which would cut streams; the request's context bounds it. It follows
// no redirect, for a redirect could carry the secret elsewhere. The error names a
// file that cannot be read.
func NewHTTPClient(secret Secret) (*http.Client, error) {
	t := &transport{secret: secret, base: connections()}
	if secret.File != "" {
		file, err := reload.OpenSecret(secret.File)
		if err != nil {
			return nil, fmt.Errorf("read a secret: %w", err)
		}
		t.file = file
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// transport adds the secret and gives failures their kind.
type transport struct {
	base   http.RoundTripper
	secret Secret
	file   *reload.File[string] // nil without a secret
}

var _ http.RoundTripper = (*transport)(nil)

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request, err := inMemory(request)
	if err != nil {
		return nil, err
	}
	return t.send(request)
}

// send sends a request, which it may change, with a body that is in memory.
func (t *transport) send(request *http.Request) (*http.Response, error) {
	if t.file != nil {
		request.Header = maps.Clone(request.Header)
		request.Header.Set(t.secret.Header, t.secret.Prefix+t.file.Get())
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		return nil, failed(request.Context(), err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		defer response.Body.Close()
		return nil, refused(response)
	}
	response.Body = &body{ReadCloser: response.Body, ctx: request.Context(), left: maxResponseBytes}
	return response, nil
}

// inMemory returns a copy of the request with a body that net/http knows to be in memory. The
// official clients wrap theirs, and of a body that may have to be waited for
//
//   - net/http sends the headers ahead: two writes, and two times that the server is
//     woken up;
//   - net/http looks for more behind its end, on a goroutine of its own. The AWS client
//     closes its body as soon as [http.Client.Do] has returned and lets it answer
//     io.EOF from then on. Where the server has begun to answer by then, net/http takes
//     that for a failed write and closes the connection in the middle of the answer.
func inMemory(request *http.Request) (*http.Request, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return request.WithContext(request.Context()), nil
	}
	defer request.Body.Close()
	if request.GetBody == nil {
		content, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, fmt.Errorf("read the request: %w", err)
		}
		return withBody(request.Context(), request, content), nil
	}
	whole := request.WithContext(request.Context())
	var err error
	whole.Body, err = whole.GetBody()
	return whole, err
}

// withBody returns a copy of the request with that body.
func withBody(ctx context.Context, request *http.Request, content []byte) *http.Request {
	whole := request.WithContext(ctx)
	whole.ContentLength = int64(len(content))
	whole.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	whole.Body, _ = whole.GetBody()
	return whole
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *transport) CloseIdleConnections() { (&http.Client{Transport: t.base}).CloseIdleConnections() }

// failed gives an error of a request without a response its kind. The context's
// own error stays as it is: [Do] knows what ended it.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return &Error{Kind: kindOf(ctx, err), Err: unquoted{err}}
}

// unquoted is an error without what its text quotes: net/http repeats what it
// could not parse, and a server that speaks another protocol may send anything.
type unquoted struct{ error }

var quotes = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// Error implements error.
func (e unquoted) Error() string { return quotes.ReplaceAllString(e.error.Error(), "…") }

// Unwrap returns the error as it was.
func (e unquoted) Unwrap() error { return e.error }

// body gives errors of reading their kind and bounds what is read.
type body struct {
	io.ReadCloser
	ctx  context.Context
	left int64
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &Error{Kind: KindInvalidResponse, Err: fmt.Errorf("the response is longer than %d MiB", maxResponseBytes>>20)}
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || b.ctx.Err() != nil {
		return n, err
	}
	return n, &Error{Kind: KindInvalidResponse, Err: fmt.Errorf("the response was cut off: %w", err)}
}
