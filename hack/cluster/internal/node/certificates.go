//go:build linux

package node

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/hack/cluster/internal/network"
	"ragops.dev/ragservice/hack/cluster/internal/pki"
)

const (
	apiPort  = 6443
	etcdPort = 23790
	// The group of users whom the API server asks nothing.
	masters = "system:masters"
)

var apiURL = fmt.Sprintf("https://%s:%d", network.Node, apiPort)

// certificates lists what the authority "ca" signs, by file name. A kubeconfig
// is written for those that are users of the API.
var certificates = map[string]struct {
	pki.Request
	kubeconfig bool
}{
	"admin":              {Request: pki.Request{CommonName: "admin", Organizations: []string{masters}}, kubeconfig: true},
	"controller-manager": {Request: pki.Request{CommonName: "system:kube-controller-manager", Hosts: []string{"127.0.0.1"}}, kubeconfig: true},
	"scheduler":          {Request: pki.Request{CommonName: "system:kube-scheduler", Hosts: []string{"127.0.0.1"}}, kubeconfig: true},
	"proxy":              {Request: pki.Request{CommonName: "system:kube-proxy"}, kubeconfig: true},
	"coredns":            {Request: pki.Request{CommonName: "system:coredns"}, kubeconfig: true},
	"metrics-server": {Request: pki.Request{
		CommonName: "system:metrics-server",
		Hosts:      []string{"metrics-server.kube-system.svc", network.Node.String()},
	}, kubeconfig: true},
	"kubelet": {Request: pki.Request{
		CommonName: "system:node:" + name, Organizations: []string{"system:nodes"},
		Hosts: []string{name, network.Node.String()},
	}, kubeconfig: true},
	"apiserver": {Request: pki.Request{
		CommonName: "kube-apiserver",
		Hosts: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			"localhost", "127.0.0.1", network.Node.String(), network.APIService.String(),
		},
	}},
	"apiserver-kubelet-client": {Request: pki.Request{CommonName: "kube-apiserver-kubelet-client", Organizations: []string{masters}}},
	"etcd":                     {Request: pki.Request{CommonName: "etcd", Hosts: []string{"localhost", "127.0.0.1"}}},
}

// writeCertificates issues everything, once in the life of a cluster.
func (n *Node) writeCertificates() error {
	dir := n.path("pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	authority, err := pki.NewAuthority("ragservice-cluster")
	if err != nil {
		return err
	}
	if err := authority.Write(dir, "ca"); err != nil {
		return err
	}
	for file, certificate := range certificates {
		pair, err := authority.Issue(certificate.Request)
		if err != nil {
			return err
		}
		if err := pair.Write(dir, file); err != nil {
			return err
		}
		if certificate.kubeconfig {
			if err := writeKubeconfig(filepath.Join(dir, file+".kubeconfig"), authority, pair, file); err != nil {
				return err
			}
		}
	}
	// Requests that the API server passes on to an extension are signed by
	// an authority of their own, which vouches for a user named in a header.
	frontProxy, err := pki.NewAuthority("ragservice-cluster-front-proxy")
	if err != nil {
		return err
	}
	client, err := frontProxy.Issue(pki.Request{CommonName: "front-proxy-client"})
	if err != nil {
		return err
	}
	// Only its key is used, to sign the tokens of service accounts.
	tokens, err := pki.NewAuthority("service-accounts")
	if err != nil {
		return err
	}
	for file, pair := range map[string]*pki.Pair{"front-proxy-ca": frontProxy, "front-proxy-client": client, "service-accounts": tokens} {
		if err := pair.Write(dir, file); err != nil {
			return err
		}
	}
	admin, err := os.ReadFile(filepath.Join(dir, "admin.kubeconfig"))
	if err != nil {
		return err
	}
	return os.WriteFile(n.Kubeconfig(), admin, 0o600)
}

func writeKubeconfig(path string, authority, pair *pki.Pair, user string) error {
	key, err := pair.KeyPEM()
	if err != nil {
		return err
	}
	type entry map[string]any
	content, err := yaml.Marshal(entry{
		"apiVersion":      "v1",
		"kind":            "Config",
		"clusters":        []entry{{"name": name, "cluster": entry{"server": apiURL, "certificate-authority-data": authority.CertificatePEM()}}},
		"users":           []entry{{"name": user, "user": entry{"client-certificate-data": pair.CertificatePEM(), "client-key-data": key}}},
		"contexts":        []entry{{"name": name, "context": entry{"cluster": name, "user": user}}},
		"current-context": name,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
