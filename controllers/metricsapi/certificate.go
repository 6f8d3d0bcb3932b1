package metricsapi

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	certutil "k8s.io/client-go/util/cert"
)

// pair is a serving certificate with its key and the authorities that a caller
// should trust, in PEM.
type pair struct{ certificate, key, authorities []byte }

// lifetime of a certificate; it is renewed when a third of it is left.
const lifetime = 365 * 24 * time.Hour

// newPair makes a certificate for the names, signed by an authority of its own,
// that is good for its lifetime from now on. The authorities of the pair before
// stay trusted, so that replicas which still serve it can be reached until they
// have the new one.
func newPair(names []string, before pair, now time.Time) (pair, error) {
	certificate, key, err := certutil.GenerateSelfSignedCertKeyWithOptions(certutil.SelfSignedCertKeyOptions{
		Host:         names[0],
		AlternateDNS: names[1:],
		MaxAge:       time.Until(now.Add(lifetime)), // it counts from the clock of the machine
	})
	if err != nil {
		return pair{}, fmt.Errorf("make a certificate: %w", err)
	}
	chain, err := certutil.ParseCertsPEM(certificate)
	if err != nil {
		return pair{}, fmt.Errorf("read the certificate just made: %w", err)
	}
	authority, err := certutil.EncodeCertificates(chain[len(chain)-1])
	if err != nil {
		return pair{}, fmt.Errorf("encode the authority: %w", err)
	}
	return pair{
		certificate: certificate,
		key:         key,
		authorities: append(authority, newest(before.authorities)...),
	}, nil
}

// newest returns the first certificate of a bundle: older ones no longer serve.
func newest(bundle []byte) []byte {
	certificates, err := certutil.ParseCertsPEM(bundle)
	if err != nil {
		return nil
	}
	encoded, err := certutil.EncodeCertificates(certificates[0])
	if err != nil {
		return nil
	}
	return encoded
}

// check says why a pair cannot be used, or should not be for much longer: it is
// renewed when a third of its life is left.
func (p pair) check(names []string, now time.Time) error {
	leaf, err := p.leaf(names, now)
	if err != nil {
		return err
	}
	if renewal := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3); now.After(renewal) {
		return fmt.Errorf("it is due for renewal since %s", renewal.Format(time.RFC3339))
	}
	return nil
}

// leaf is the certificate, if callers who trust the authorities take it now.
func (p pair) leaf(names []string, now time.Time) (*x509.Certificate, error) {
	if len(p.authorities) == 0 {
		return nil, errors.New("the Secret has no authority")
	}
	loaded, err := tls.X509KeyPair(p.certificate, p.key)
	if err != nil {
		return nil, err
	}
	leaf := loaded.Leaf
	for _, name := range names {
		if err := leaf.VerifyHostname(name); err != nil {
			return nil, err
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.authorities)
	intermediates := x509.NewCertPool()
	intermediates.AppendCertsFromPEM(p.certificate)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now}); err != nil {
		return nil, err
	}
	return leaf, nil
}

// certificate is the pair in use, which the server asks for at every handshake.
type certificate struct {
	mu        sync.Mutex
	current   pair
	ready     chan struct{}
	listeners []dynamiccertificates.Listener
}

var _ dynamiccertificates.CertKeyContentProvider = (*certificate)(nil)

// Name implements [dynamiccertificates.CertKeyContentProvider].
func (c *certificate) Name() string { return "metrics-api" }

// CurrentCertKeyContent implements [dynamiccertificates.CertKeyContentProvider].
func (c *certificate) CurrentCertKeyContent() (cert, key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.certificate, c.current.key
}

// AddListener implements [dynamiccertificates.CertKeyContentProvider].
func (c *certificate) AddListener(listener dynamiccertificates.Listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners = append(c.listeners, listener)
}

// available is closed once there is a pair.
func (c *certificate) available() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readyLocked()
}

func (c *certificate) readyLocked() chan struct{} {
	if c.ready == nil {
		c.ready = make(chan struct{})
	}
	return c.ready
}

// good is whether the pair in use still serves.
func (c *certificate) good(names []string, now time.Time) bool {
	c.mu.Lock()
	current := c.current
	c.mu.Unlock()
	_, err := current.leaf(names, now)
	return err == nil
}

// use serves p from the next handshake on.
func (c *certificate) use(p pair) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Equal(c.current.certificate, p.certificate) {
		return
	}
	first := c.current.certificate == nil
	c.current = p
	for _, listener := range c.listeners {
		listener.Enqueue()
	}
	if first {
		close(c.readyLocked())
	}
}
