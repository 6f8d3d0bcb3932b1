// Package pki issues the keys and certificates of a local cluster. They are
// meant for one machine and a short life: there is no renewal or revocation.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is longer than any local cluster is kept.
const lifetime = 365 * 24 * time.Hour

// Pair is a certificate, or a certification authority, with its key.
type Pair struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// Request says who a certificate is for. To Kubernetes a client certificate's
// common name is the user and its organizations are the groups.
type Request struct {
	CommonName    string
	Organizations []string
	// Hosts are the DNS names and IP addresses that the holder serves on.
	Hosts []string
}

// NewAuthority makes a self-signed authority.
func NewAuthority(commonName string) (*Pair, error) {
	template, err := newTemplate(Request{CommonName: commonName})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
	template.ExtKeyUsage = nil
	return sign(template, nil)
}

// Issue signs, as the authority, a certificate for client and server use.
func (p *Pair) Issue(request Request) (*Pair, error) {
	template, err := newTemplate(request)
	if err != nil {
		return nil, err
	}
	return sign(template, p)
}

// CertificatePEM is the certificate in PEM.
func (p *Pair) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw})
}

// KeyPEM is the private key in PEM (PKCS #8).
func (p *Pair) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("encode the key of %s: %w", p.certificate.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Write puts the pair into dir as NAME.crt and NAME.key; only the owner can
// read the key.
func (p *Pair) Write(dir, name string) error {
	key, err := p.KeyPEM()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".key"), key, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".crt"), p.CertificatePEM(), 0o644)
}

// Read loads a pair that Write wrote.
func Read(dir, name string) (certificate, key []byte, err error) {
	if certificate, err = os.ReadFile(filepath.Join(dir, name+".crt")); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(filepath.Join(dir, name+".key"))
	return certificate, key, err
}

func newTemplate(request Request) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: request.CommonName, Organization: request.Organizations},
		// Backdated, since the clock of a virtual machine may jump.
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range request.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template, nil
}

// sign uses the template's own key where there is no authority.
func sign(template *x509.Certificate, authority *Pair) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := template, crypto.Signer(key)
	if authority != nil {
		parent, signer = authority.certificate, authority.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", template.Subject.CommonName, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Pair{certificate: certificate, key: key}, nil
}
