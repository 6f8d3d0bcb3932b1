package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// outcome is what a caller sees of bytes that a server has sent.
type outcome struct {
	Failed     bool // without a response
	Code       int
	Body       string
	BodyFailed bool
}

// outcomeOf sends one request to a server that answers with these bytes and closes, and
// counts responses that announce another one.
func outcomeOf(t *testing.T, method string, answer []byte, with func(dial func(context.Context, string, string) (net.Conn, error)) http.RoundTripper) (got outcome, announced int) {
	t.Helper()
	var serving sync.WaitGroup
	transport := with(func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		serving.Go(func() {
			defer far.Close()
			if _, _, err := receive(bufio.NewReader(far)); err != nil {
				t.Error(err)
			}
			_, _ = far.Write(answer)
		})
		return near, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error {
		announced++
		return nil
	}})
	request, err := http.NewRequestWithContext(ctx, method, "http://model/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		got.Failed = true
	} else {
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		got = outcome{Code: response.StatusCode, Body: string(body), BodyFailed: err != nil}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("%T hangs", transport)
	}
	(&http.Client{Transport: transport}).CloseIdleConnections()
	serving.Wait() // only once the connection is closed
	return got, announced
}

// FuzzResponse shows that no bytes of a server make a request panic or hang, and that they
// are read as by net/http, but for two differences, where http1 has an error:
//   - 101, after which net/http leaves the connection to the caller, and
//   - more than 5 responses that announce another one, where net/http only bounds the sum
//     of their headers.
func FuzzResponse(f *testing.F) {
	for _, answer := range []string{
		"",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nan answer",
		"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nan answer",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nan answer",
		"HTTP/1.1 200 OK\r\n\r\nan answer",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nan answer",
		"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nan\r\n7;x=y\r\n answer\r\n0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nan\r\n7\r\n ans",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nffffffffffffffff\r\nan",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 5) + "HTTP/1.1 200 OK\r\n\r\nan answer",
		strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 6) + "HTTP/1.1 200 OK\r\n\r\nan answer",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nmore",
		"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nPragma: no-cache\r\n\r\n\x1f\x8b",
		"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01",
	} {
		f.Add([]byte(answer), false)
		f.Add([]byte(answer), true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, head bool) {
		if len(answer) >= maxHeaderBytes {
			t.Skip("net/http reads longer headers")
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		type dialer = func(context.Context, string, string) (net.Conn, error)
		want, announced := outcomeOf(t, method, answer, func(dial dialer) http.RoundTripper {
			// Without keep-alive it does not log what comes after the response.
			return &http.Transport{DialContext: dial, DisableCompression: true, DisableKeepAlives: true}
		})
		got, _ := outcomeOf(t, method, answer, func(dial dialer) http.RoundTripper {
			return &Transport{Dial: dial, IdleTimeout: time.Minute}
		})
		if want.Code == http.StatusSwitchingProtocols || announced > maxInformational {
			want = outcome{Failed: true}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %q (-net/http +http1):\n%s", method, answer, diff)
		}
	})
}
