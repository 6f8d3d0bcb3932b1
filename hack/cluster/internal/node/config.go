//go:build linux

package node

import (
	"bytes"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"golang.org/x/sys/unix"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/network"
)

const (
	dnsPort     = 1053
	metricsPort = 10443
	// cniNetwork is the pods' network to CNI, which caches results under
	// this name outside the state folder.
	cniNetwork = "ragservice"
	pauseImage = "localhost/ragservice-pause:1"
	// runtimeDir is what containers have in memory. It is outside the state
	// folder, whose path may be too long for a socket's.
	runtimeDir = "/run/ragservice-cluster"
)

// settings are what the configuration files and manifests are filled with.
type settings struct {
	Name, Dir, NodeIP, DNSIP, PodRange, FirstPod, LastPod, Bridge string
	CNINetwork, PauseImage, RuntimeDir                            string
	ContainerdSocket, ContainersBin, Snapshotter                  string
	DNSPort, MetricsPort                                          int
	// HostResolves is set where this machine has a name server to ask for
	// names outside the cluster.
	HostResolves bool
	// CABundle is the authority's certificate, in base64.
	CABundle string
}

//go:embed templates manifests
var files embed.FS

func (n *Node) settings() (settings, error) {
	containers, err := n.Builder.Path(binaries.Containerd)
	if err != nil {
		return settings{}, err
	}
	snapshotter, err := snapshotter(n.Dir)
	if err != nil {
		return settings{}, err
	}
	authority, err := os.ReadFile(n.path("pki", "ca.crt"))
	if err != nil {
		return settings{}, err
	}
	resolvers, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return settings{}, err
	}
	return settings{
		Name: name, Dir: n.Dir,
		NodeIP: network.Node.String(), DNSIP: network.DNSService.String(),
		PodRange: network.PodRange.String(), FirstPod: network.FirstPod.String(), LastPod: network.LastPod.String(),
		Bridge: network.Bridge, CNINetwork: cniNetwork, PauseImage: pauseImage, RuntimeDir: runtimeDir,
		ContainerdSocket: n.containerdSocket(), ContainersBin: filepath.Dir(containers), Snapshotter: snapshotter,
		DNSPort: dnsPort, MetricsPort: metricsPort,
		HostResolves: bytes.Contains(resolvers, []byte("nameserver")),
		CABundle:     base64.StdEncoding.EncodeToString(authority),
	}, nil
}

// writeConfig fills the templates into the folder "config".
func (n *Node) writeConfig() error {
	settings, err := n.settings()
	if err != nil {
		return err
	}
	targets := map[string]string{
		"kubelet.yaml":           "kubelet.yaml",
		"kube-proxy.yaml":        "kube-proxy.yaml",
		"containerd.toml":        "containerd.toml",
		"10-ragservice.conflist": "cni/10-ragservice.conflist",
		"Corefile":               "Corefile",
	}
	if err := os.MkdirAll(n.path("config", "cni"), 0o755); err != nil {
		return err
	}
	for source, target := range targets {
		content, err := render(path.Join("templates", source), settings)
		if err != nil {
			return err
		}
		if err := writeIfChanged(n.path("config", target), content); err != nil {
			return err
		}
	}
	// Pods get the cluster's DNS and nothing of the host's.
	return writeIfChanged(n.path("config", "resolv.conf"), nil)
}

// writeIfChanged leaves a file alone that is as it should be: kube-proxy ends
// when its own is written to.
func writeIfChanged(path string, content []byte) error {
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, content) {
		return nil
	}
	return os.WriteFile(path, content, 0o644)
}

func render(name string, settings settings) ([]byte, error) {
	parsed, err := template.New(path.Base(name)).Option("missingkey=error").ParseFS(files, name)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	if err := parsed.Execute(&content, settings); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// snapshotter is how container file systems are laid over their image: as
// overlays, but the kernel refuses an overlay on an overlay, which is what the
// state folder is on inside most containers.
func snapshotter(dir string) (string, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return "", fmt.Errorf("file system of %s: %w", dir, err)
	}
	if stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return "native", nil
	}
	return "overlayfs", nil
}

// checkDir refuses a state folder that the daemons could not work in.
func checkDir(dir string) error {
	// The longest socket below the folder is the kubelet's, and the kernel
	// takes 107 bytes.
	const longest, limit = "/kubelet/pod-resources/kubelet.sock", 107
	if len(dir)+len(longest) > limit {
		return fmt.Errorf("the path of the state folder %s is %d bytes too long for the sockets in it: choose another with --dir",
			dir, len(dir)+len(longest)-limit)
	}
	if strings.ContainsAny(dir, " \t\n\"'\\,:=") {
		return fmt.Errorf("the path of the state folder %s has characters that break mounts: choose another with --dir", dir)
	}
	return nil
}
