package metricsapi

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	certutil "k8s.io/client-go/util/cert"
)

var serviceNames = []string{"operator.system.svc", "operator.system", "operator"}

func mustPair(t *testing.T, before pair) pair {
	t.Helper()
	p, err := newPair(serviceNames, before, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPairCheck(t *testing.T) {
	good, other := mustPair(t, pair{}), mustPair(t, pair{})
	year := 365 * 24 * time.Hour
	tests := []struct {
		name  string
		pair  pair
		names []string
		now   time.Time
		want  bool
	}{
		{name: "new", pair: good, names: serviceNames, now: time.Now(), want: true},
		{name: "half its life", pair: good, names: serviceNames, now: time.Now().Add(year / 2), want: true},
		{name: "less than a third left", pair: good, names: serviceNames, now: time.Now().Add(year * 3 / 4)},
		{name: "expired", pair: good, names: serviceNames, now: time.Now().Add(2 * year)},
		{name: "for another service", pair: good, names: []string{"elsewhere.svc"}, now: time.Now()},
		{name: "empty", pair: pair{}, names: serviceNames, now: time.Now()},
		{name: "key of another certificate", pair: pair{good.certificate, other.key, good.authorities}, names: serviceNames, now: time.Now()},
		{name: "another authority", pair: pair{good.certificate, good.key, other.authorities}, names: serviceNames, now: time.Now()},
		{name: "garbage", pair: pair{[]byte("x"), []byte("y"), []byte("z")}, names: serviceNames, now: time.Now()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.pair.check(tt.names, tt.now); (err == nil) != tt.want {
				t.Errorf("got %v, want usable=%v", err, tt.want)
			}
		})
	}
}

// TestRotationKeepsTrust renews twice: a replica that still serves the pair before
// must be trusted, and the bundle must not grow for ever.
func TestRotationKeepsTrust(t *testing.T) {
	first := mustPair(t, pair{})
	second := mustPair(t, first)
	third := mustPair(t, second)

	trusts := func(bundle pair, served pair) bool {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(bundle.authorities)
		loaded, err := tls.X509KeyPair(served.certificate, served.key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots})
		return err == nil
	}
	if !trusts(second, second) || !trusts(second, first) {
		t.Error("after one renewal both pairs must be trusted")
	}
	if trusts(third, first) {
		t.Error("after two renewals the first pair must not be trusted any more")
	}
	authorities, err := certutil.ParseCertsPEM(third.authorities)
	if err != nil {
		t.Fatal(err)
	}
	if len(authorities) != 2 {
		t.Errorf("the bundle holds %d authorities, want 2", len(authorities))
	}
}

type counter int

func (c *counter) Enqueue() { *c++ }

func TestCertificateInUse(t *testing.T) {
	var (
		inUse    certificate
		notified counter
	)
	inUse.AddListener(&notified)
	select {
	case <-inUse.available():
		t.Fatal("available before there is a pair")
	default:
	}
	first := mustPair(t, pair{})
	inUse.use(first)
	<-inUse.available()
	inUse.use(first)
	if notified != 1 {
		t.Errorf("the same pair was announced %d times, want once", notified)
	}
	second := mustPair(t, first)
	inUse.use(second)
	if served, _ := inUse.CurrentCertKeyContent(); !bytes.Equal(served, second.certificate) || notified != 2 {
		t.Error("the renewed pair is not served, or was not announced")
	}
}
