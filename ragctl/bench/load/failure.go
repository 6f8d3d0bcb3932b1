package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// FailureKind says in which way a question was not answered. The kinds are few
// and fixed, so that results can be compared.
type FailureKind string

// The kinds.
const (
	FailureRefused   FailureKind = "refused"
	FailureDNS       FailureKind = "dns"
	FailureTLS       FailureKind = "tls"
	FailureReset     FailureKind = "reset"
	FailureTimeout   FailureKind = "timeout"
	FailureShed      FailureKind = "shed"
	FailureClient    FailureKind = "http-4xx"
	FailureServer    FailureKind = "http-5xx"
	FailureStatus    FailureKind = "http-other"
	FailureNotJSON   FailureKind = "not-json"
	FailureTruncated FailureKind = "truncated"
	FailureExhausted FailureKind = "exhausted"
	FailureUnsent    FailureKind = "unsent"
	FailureNetwork   FailureKind = "network"
	// failureInterrupted is not reported: the run ended, and nobody failed.
	failureInterrupted FailureKind = "interrupted"
)

// Explain says in a sentence what the kind means.
func (k FailureKind) Explain() string {
	return map[FailureKind]string{
		FailureRefused:   "nothing listens at the address, or its queue of connections is full",
		FailureDNS:       "the host name does not resolve",
		FailureTLS:       "the TLS handshake failed",
		FailureReset:     "the connection was closed before an answer",
		FailureTimeout:   "no whole answer within the timeout",
		FailureShed:      "turned away with 429, or with 503 and Retry-After",
		FailureClient:    "the target found fault with the request",
		FailureServer:    "the target failed",
		FailureStatus:    "neither an answer nor an error: a redirect, perhaps",
		FailureNotJSON:   "the answer is not what the API promises",
		FailureTruncated: "the answer ended in the middle",
		FailureExhausted: "this machine ran out of ports or open files: raise ulimit -n",
		FailureUnsent:    "found no place in flight before the run ended",
		FailureNetwork:   "the network failed",
	}[k]
}

// Failure is a question that was not answered.
type Failure struct {
	Kind FailureKind
	// Detail says more, and holds neither question nor answer.
	Detail string
}

// String is a sentence for people.
func (f *Failure) String() string {
	if f.Detail == "" {
		return f.Kind.Explain()
	}
	return f.Kind.Explain() + " (" + f.Detail + ")"
}

// networkFailure sorts an error of a connection into a kind. began says whether
// any byte of the answer had arrived.
func networkFailure(ctx context.Context, err error, began bool) *Failure {
	var (
		dns       *net.DNSError
		recordErr tls.RecordHeaderError
		verifyErr *tls.CertificateVerificationError
		alert     tls.AlertError
		unknown   x509.UnknownAuthorityError
		hostname  x509.HostnameError
	)
	switch {
	case ctx.Err() != nil:
		return &Failure{Kind: failureInterrupted}
	case errors.As(err, &dns):
		return &Failure{FailureDNS, dns.Name}
	case errors.As(err, &recordErr):
		return &Failure{FailureTLS, "the target does not speak TLS: try http://"}
	case errors.As(err, &verifyErr), errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &alert):
		return &Failure{FailureTLS, err.Error()}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Failure{FailureRefused, ""}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return &Failure{FailureExhausted, ""}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &Failure{FailureTimeout, ""}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		if began {
			return &Failure{FailureTruncated, ""}
		}
		return &Failure{FailureReset, ""}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return &Failure{FailureNetwork, op.Err.Error()}
	}
	return &Failure{FailureNetwork, err.Error()}
}

// statusFailure sorts a status other than 200 into a kind.
func statusFailure(status int, retryAfter bool) *Failure {
	detail := fmt.Sprintf("status %d", status)
	switch {
	case status == 429, status == 503 && retryAfter:
		return &Failure{FailureShed, detail}
	case status >= 500:
		return &Failure{FailureServer, detail}
	case status >= 400:
		return &Failure{FailureClient, detail}
	}
	return &Failure{FailureStatus, detail}
}
