package testredis

import (
	"context"
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
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// StartTLS runs a server that takes only TLS, and returns the file of the
// authority that its certificate, for "localhost" and 127.0.0.1, is signed by.
func StartTLS(tb testing.TB, args ...string) (*Server, string) {
	tb.Helper()
	dir, port := tb.TempDir(), freePort(tb)
	cert, key := selfSigned(tb, dir)
	args = append([]string{
		"--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no", "--save", "", "--appendonly", "no",
	}, args...)
	return start(tb, port, "", args), cert
}

func selfSigned(tb testing.TB, dir string) (cert, key string) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			tb.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}

// StartSentinel runs a sentinel that watches the primary under the name and
// replaces it within about a second of its death.
func StartSentinel(tb testing.TB, name string, primary *Server) *Server {
	tb.Helper()
	host, primaryPort, _ := net.SplitHostPort(primary.Addr)
	port := freePort(tb)
	conf := fmt.Sprintf("port %s\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 200\nsentinel failover-timeout %s 1000\n",
		port, name, host, primaryPort, name, name)
	return start(tb, port, conf, []string{"--sentinel"})
}

// StartReplica runs a replica of the primary and waits until it has its data.
func StartReplica(tb testing.TB, primary *Server) *Server {
	tb.Helper()
	host, port, _ := net.SplitHostPort(primary.Addr)
	replica := Start(tb, "--replicaof", host+" "+port)
	wait(tb, replica.Addr, "the replica to be in step", func(ctx context.Context, c *redis.Client) bool {
		return strings.Contains(c.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	return replica
}

// StartCluster runs a cluster of three primaries without replicas.
func StartCluster(tb testing.TB) []*Server {
	tb.Helper()
	ctx := context.Background()
	ranges := [][2]int{{0, 5460}, {5461, 10922}, {10923, 16383}}
	var nodes []*Server
	var first *redis.Client
	for _, slots := range ranges {
		bus := freePort(tb)
		node := Start(tb, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000")
		nodes = append(nodes, node)
		client := redis.NewClient(&redis.Options{Addr: node.Addr})
		tb.Cleanup(func() { client.Close() })
		if err := client.ClusterAddSlotsRange(ctx, slots[0], slots[1]).Err(); err != nil {
			tb.Fatal(err)
		}
		if first == nil {
			first = client
			continue
		}
		host, port, _ := net.SplitHostPort(node.Addr)
		if err := first.Do(ctx, "CLUSTER", "MEET", host, port, bus).Err(); err != nil {
			tb.Fatal(err)
		}
	}
	for _, node := range nodes {
		wait(tb, node.Addr, "the cluster to form", func(ctx context.Context, c *redis.Client) bool {
			info := c.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return nodes
}

// wait asks a server again and again until the condition holds.
func wait(tb testing.TB, addr, what string, condition func(context.Context, *redis.Client) bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition(ctx, client) {
		select {
		case <-ctx.Done():
			tb.Fatalf("waited longer than %s for %s", startTimeout, what)
		case <-tick.C:
		}
	}
}
