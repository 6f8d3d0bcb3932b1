//go:build linux

package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"ragops.dev/ragservice/hack/cluster/internal/network"
	"ragops.dev/ragservice/hack/cluster/internal/pki"
)

const probeEvery = 100 * time.Millisecond

// probe asks once whether something is ready; the error says why it is not.
type probe func(ctx context.Context) error

// wait probes until the answer is yes, the timeout passes or gone is closed.
// Its error carries the last answer.
func wait(ctx context.Context, timeout time.Duration, gone <-chan struct{}, ready probe) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-gone:
			return errors.New("it ended by itself")
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("not ready after %s: %w", timeout, err)
		case <-ticker.C:
		}
	}
}

// client is an HTTP client with the administrator's certificate, which trusts
// only the cluster's authority.
func (n *Node) client() (*http.Client, error) {
	authority, _, err := pki.Read(n.path("pki"), "ca")
	if err != nil {
		return nil, err
	}
	certificate, key, err := pki.Read(n.path("pki"), "admin")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}},
	}, nil
}

// answers is ready when the address answers 200.
func answers(client *http.Client, url string) probe {
	return func(ctx context.Context) error {
		_, err := get(ctx, client, url)
		return err
	}
}

// condition is ready when the object at the address has the condition.
func condition(client *http.Client, url, conditionType string) probe {
	return func(ctx context.Context) error {
		body, err := get(ctx, client, url)
		if err != nil {
			return err
		}
		return hasCondition(body, conditionType)
	}
}

// all is ready when each of the probes is.
func all(probes ...probe) probe {
	return func(ctx context.Context) error {
		for _, ready := range probes {
			if err := ready(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

func hasCondition(object []byte, conditionType string) error {
	type condition struct{ Type, Status, Message string }
	var decoded struct {
		Status struct{ Conditions []condition }
	}
	if err := json.Unmarshal(object, &decoded); err != nil {
		return err
	}
	i := slices.IndexFunc(decoded.Status.Conditions, func(c condition) bool { return c.Type == conditionType })
	if i < 0 {
		return fmt.Errorf("it has no condition %s yet", conditionType)
	}
	if c := decoded.Status.Conditions[i]; c.Status != "True" {
		return fmt.Errorf("%s is %s: %s", c.Type, c.Status, c.Message)
	}
	return nil
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
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %s", url, response.Status, bytes.TrimSpace(body[:min(len(body), 300)]))
	}
	return body, nil
}

// accepts is ready when the socket takes a connection.
func accepts(socket string) probe {
	return func(ctx context.Context) error {
		connection, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// resolves is ready when the cluster's DNS knows the name, asked as a pod asks:
// at the address of its Service.
func resolves(hostname string) probe {
	resolver := &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, protocol, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, protocol, net.JoinHostPort(network.DNSService.String(), "53"))
		},
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := resolver.LookupNetIP(ctx, "ip4", hostname)
		return err
	}
}
