// Package binaries builds the programs that the local cluster is made of, from
// Go modules whose versions are pinned under hack/cluster/binaries, and caches
// them by version. It neither runs nor configures them.
package binaries

// Module is a Go module under hack/cluster/binaries that pins what is built.
// The programs are spread over several modules because their dependencies
// disagree, and because a change of one must not rebuild the others.
type Module struct {
	// Dir is the folder's name under hack/cluster/binaries.
	Dir string
	// Pins is the required module whose version names the cache folder.
	Pins string
}

// Binary is one program: what to build, from where and how.
type Binary struct {
	Name    string
	Module  Module
	Package string
	// Tags are build tags.
	Tags string
	// CGO is set where the program cannot do without C.
	CGO bool
	// StampVersion sets the version that Kubernetes' programs report, which
	// their API and clients compare.
	StampVersion bool
	// OS is the operating system to build for, where that is not this one's.
	OS string
	// FirstTime is how long a build takes on two cores with empty caches,
	// in words; empty where it is less than a minute.
	FirstTime string
}

var (
	kubernetes = Module{Dir: "kubernetes", Pins: "k8s.io/kubernetes"}
	containers = Module{Dir: "containers", Pins: "github.com/containerd/containerd/v2"}
	addons     = Module{Dir: "addons", Pins: "github.com/coredns/coredns"}
	kind       = Module{Dir: "kind", Pins: "sigs.k8s.io/kind"}
)

// The programs, in the order in which they are best built: the slowest warms
// the Go build cache for those that follow.
var (
	APIServer         = fromKubernetes("kube-apiserver", "about 10 min")
	Kubectl           = fromKubernetes("kubectl", "about 1 min")
	ControllerManager = fromKubernetes("kube-controller-manager", "about 2 min")
	Scheduler         = fromKubernetes("kube-scheduler", "")
	Kubelet           = fromKubernetes("kubelet", "about 3 min")
	Proxy             = fromKubernetes("kube-proxy", "")
	Etcd              = Binary{Name: "etcd", Module: kubernetes, Package: "go.etcd.io/etcd/server/v3"}

	Containerd = fromContainerd("containerd", "about 2 min")
	Shim       = fromContainerd("containerd-shim-runc-v2", "")
	Ctr        = fromContainerd("ctr", "")
	// Runc needs C for the part that enters namespaces before Go starts.
	Runc      = Binary{Name: "runc", Module: containers, Package: "github.com/opencontainers/runc", Tags: "seccomp", CGO: true}
	Bridge    = Binary{Name: "bridge", Module: containers, Package: "github.com/containernetworking/plugins/plugins/main/bridge"}
	HostLocal = Binary{Name: "host-local", Module: containers, Package: "github.com/containernetworking/plugins/plugins/ipam/host-local"}

	CoreDNS       = Binary{Name: "coredns", Module: addons, Package: "./coredns", FirstTime: "about 2 min"}
	MetricsServer = Binary{Name: "metrics-server", Module: addons, Package: "sigs.k8s.io/metrics-server/cmd/metrics-server", OS: "linux", FirstTime: "about 2 min"}

	Kind = Binary{Name: "kind", Module: kind, Package: "sigs.k8s.io/kind"}
)

// APITest are the programs that an API test (envtest) runs.
func APITest() []Binary { return []Binary{Etcd, APIServer, Kubectl} }

// Node are the programs of a whole node.
func Node() []Binary {
	return append(APITest(),
		ControllerManager, Scheduler, Kubelet, Proxy,
		Containerd, Shim, Ctr, Runc, Bridge, HostLocal,
		CoreDNS, MetricsServer)
}

func fromKubernetes(name, firstTime string) Binary {
	return Binary{Name: name, Module: kubernetes, Package: "k8s.io/kubernetes/cmd/" + name, StampVersion: true, FirstTime: firstTime}
}

// fromContainerd leaves out the btrfs snapshotter, whose headers few have.
func fromContainerd(name, firstTime string) Binary {
	return Binary{Name: name, Module: containers, Package: "github.com/containerd/containerd/v2/cmd/" + name, Tags: "no_btrfs", FirstTime: firstTime}
}
