//go:build linux

package node

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/network"
)

// daemon is one row of the table of what makes up a node.
type daemon struct {
	name   string
	binary binaries.Binary
	args   []string
	// reads are the configuration files in use: a change of one means a restart.
	reads []string
	// addon is set for what works only once the manifests are applied.
	addon bool
	ready probe
	// within is how long it may take to be ready, on a slow machine.
	within time.Duration
}

// daemons is the table, in the order of starting.
func (n *Node) daemons() ([]daemon, error) {
	client, err := n.client()
	if err != nil {
		return nil, err
	}
	pki := func(file string) string { return n.path("pki", file) }
	config := func(file string) string { return n.path("config", file) }
	etcdURL := fmt.Sprintf("https://127.0.0.1:%d", etcdPort)
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", etcdPort+1)
	return []daemon{
		{
			name: "etcd", binary: binaries.Etcd, within: time.Minute,
			args: []string{
				"--name=" + name,
				"--data-dir=" + n.path("etcd"),
				"--listen-client-urls=" + etcdURL,
				"--advertise-client-urls=" + etcdURL,
				"--listen-peer-urls=" + peerURL,
				"--initial-advertise-peer-urls=" + peerURL,
				"--initial-cluster=" + name + "=" + peerURL,
				"--client-cert-auth",
				"--trusted-ca-file=" + pki("ca.crt"),
				"--cert-file=" + pki("etcd.crt"),
				"--key-file=" + pki("etcd.key"),
				// What a power cut loses here is a cluster that is thrown
				// away anyway.
				"--unsafe-no-fsync",
				"--log-level=warn",
			},
			ready: answers(client, etcdURL+"/health"),
		},
		{
			name: "kube-apiserver", binary: binaries.APIServer, within: 2 * time.Minute,
			args: []string{
				"--advertise-address=" + network.Node.String(),
				"--bind-address=" + network.Node.String(),
				fmt.Sprintf("--secure-port=%d", apiPort),
				"--service-cluster-ip-range=" + network.Services.String(),
				"--etcd-servers=" + etcdURL,
				"--etcd-cafile=" + pki("ca.crt"),
				"--etcd-certfile=" + pki("admin.crt"),
				"--etcd-keyfile=" + pki("admin.key"),
				"--authorization-mode=Node,RBAC",
				"--enable-admission-plugins=NodeRestriction",
				"--client-ca-file=" + pki("ca.crt"),
				"--tls-cert-file=" + pki("apiserver.crt"),
				"--tls-private-key-file=" + pki("apiserver.key"),
				"--kubelet-certificate-authority=" + pki("ca.crt"),
				"--kubelet-client-certificate=" + pki("apiserver-kubelet-client.crt"),
				"--kubelet-client-key=" + pki("apiserver-kubelet-client.key"),
				"--kubelet-preferred-address-types=InternalIP",
				"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
				"--service-account-key-file=" + pki("service-accounts.crt"),
				"--service-account-signing-key-file=" + pki("service-accounts.key"),
				// Extension API servers: metrics here, custom metrics from
				// the operator.
				"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
				"--requestheader-allowed-names=front-proxy-client",
				"--requestheader-username-headers=X-Remote-User",
				"--requestheader-group-headers=X-Remote-Group",
				"--requestheader-extra-headers-prefix=X-Remote-Extra-",
				"--proxy-client-cert-file=" + pki("front-proxy-client.crt"),
				"--proxy-client-key-file=" + pki("front-proxy-client.key"),
				"--enable-aggregator-routing=true",
				"--profiling=false",
			},
			ready: answers(client, apiURL+"/readyz"),
		},
		{
			name: "kube-controller-manager", binary: binaries.ControllerManager, within: time.Minute,
			args: []string{
				"--kubeconfig=" + pki("controller-manager.kubeconfig"),
				"--bind-address=127.0.0.1",
				"--tls-cert-file=" + pki("controller-manager.crt"),
				"--tls-private-key-file=" + pki("controller-manager.key"),
				"--root-ca-file=" + pki("ca.crt"),
				"--service-account-private-key-file=" + pki("service-accounts.key"),
				"--use-service-account-credentials",
				"--leader-elect=false",
				// A test of an autoscaler should not wait for its clock.
				"--horizontal-pod-autoscaler-sync-period=5s",
				"--profiling=false",
			},
			ready: answers(client, "https://127.0.0.1:10257/healthz"),
		},
		{
			name: "kube-scheduler", binary: binaries.Scheduler, within: time.Minute,
			args: []string{
				"--kubeconfig=" + pki("scheduler.kubeconfig"),
				"--bind-address=127.0.0.1",
				"--tls-cert-file=" + pki("scheduler.crt"),
				"--tls-private-key-file=" + pki("scheduler.key"),
				"--leader-elect=false",
				"--profiling=false",
			},
			ready: answers(client, "https://127.0.0.1:10259/healthz"),
		},
		{
			name: "containerd", binary: binaries.Containerd, within: time.Minute,
			args:  []string{"--config=" + config("containerd.toml")},
			reads: []string{config("containerd.toml"), config("cni/10-ragservice.conflist")},
			ready: accepts(n.containerdSocket()),
		},
		{
			name: "kubelet", binary: binaries.Kubelet, within: time.Minute,
			args: []string{
				"--config=" + config("kubelet.yaml"),
				"--kubeconfig=" + pki("kubelet.kubeconfig"),
				"--root-dir=" + n.path("kubelet"),
				"--hostname-override=" + name,
				"--node-ip=" + network.Node.String(),
			},
			reads: []string{config("kubelet.yaml")},
			ready: all(
				answers(client, "http://127.0.0.1:10248/healthz"),
				condition(client, apiURL+"/api/v1/nodes/"+name, "Ready"),
			),
		},
		{
			name: "kube-proxy", binary: binaries.Proxy, within: time.Minute,
			args:  []string{"--config=" + config("kube-proxy.yaml")},
			reads: []string{config("kube-proxy.yaml")},
			ready: answers(client, fmt.Sprintf("http://%s:10256/healthz", network.Node)),
		},
		{
			name: "coredns", binary: binaries.CoreDNS, addon: true, within: time.Minute,
			args:  []string{"-conf=" + config("Corefile")},
			reads: []string{config("Corefile")},
			ready: resolves("kubernetes.default.svc.cluster.local."),
		},
		{
			name: "metrics-server", binary: binaries.MetricsServer, addon: true, within: 2 * time.Minute,
			args: []string{
				"--kubeconfig=" + pki("metrics-server.kubeconfig"),
				"--authentication-kubeconfig=" + pki("metrics-server.kubeconfig"),
				"--authorization-kubeconfig=" + pki("metrics-server.kubeconfig"),
				"--bind-address=" + network.Node.String(),
				fmt.Sprintf("--secure-port=%d", metricsPort),
				"--tls-cert-file=" + pki("metrics-server.crt"),
				"--tls-private-key-file=" + pki("metrics-server.key"),
				"--kubelet-certificate-authority=" + pki("ca.crt"),
				"--kubelet-preferred-address-types=InternalIP",
				// The least that it takes.
				"--metric-resolution=10s",
				"--kubelet-request-timeout=5s",
			},
			ready: condition(client, apiURL+"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io", "Available"),
		},
	}, nil
}

// spec covers all that decides how a daemon runs.
func (d daemon) spec(path string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%q\n", path, d.args)
	for _, file := range d.reads {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s\n", file, len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}
