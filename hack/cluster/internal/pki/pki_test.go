package pki

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
)

func TestIssue(t *testing.T) {
	authority, err := NewAuthority("test-ca")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := NewAuthority("test-ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(Request{
		CommonName:    "system:node:one",
		Organizations: []string{"system:nodes"},
		Hosts:         []string{"one", "198.18.0.1"},
	})
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name      string
		authority *Pair
		host      string
		wantValid bool
	}{
		{name: "by name", authority: authority, host: "one", wantValid: true},
		{name: "by address", authority: authority, host: "198.18.0.1", wantValid: true},
		{name: "another name", authority: authority, host: "two"},
		{name: "another authority of the same name", authority: stranger, host: "one"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(test.authority.CertificatePEM())
			_, err := pair.certificate.Verify(x509.VerifyOptions{
				Roots: roots, DNSName: test.host,
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
			})
			if valid := err == nil; valid != test.wantValid {
				t.Errorf("verification says %v, want valid %t", err, test.wantValid)
			}
		})
	}
}

func TestWriteKeepsTheKeyPrivate(t *testing.T) {
	pair, err := NewAuthority("test-ca")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := pair.Write(dir, "ca"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %o, want 600", info.Mode().Perm())
	}
	certificate, key, err := Read(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		t.Errorf("what was read back is no pair: %v", err)
	}
}
