// Package testkit is what the operator's tests share: a real kube-apiserver and
// etcd, one pair a package, an operator that runs against it, and small builders
// of objects. Only tests may import it.
package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"ragops.dev/ragservice/controllers"
)

// RuntimeImage is what operators in tests run services with.
const RuntimeImage = "ragservice/runtime:test"

// Patience is how long anything may take to happen, on a machine that has more to
// do.
const Patience = 2 * time.Minute

// Environment is a kube-apiserver with the CRD installed.
type Environment struct {
	Config *rest.Config
	// Client reads and writes without a cache.
	Client client.Client
	server *envtest.Environment
	// keys is the folder with the API server's certificates, which outlives it.
	keys string
}

// Main starts an environment, runs the package's tests and stops it again; or runs as
// the operator that one of them started; see [Environment.OperateProcess]. Call it from
// TestMain.
func Main(m *testing.M, into **Environment) {
	log.SetLogger(logr.Discard())
	if os.Getenv(optionsVariable) != "" {
		fmt.Fprintln(os.Stderr, "the operator ended:", operate())
		os.Exit(1)
	}
	env, err := start(nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	*into = env
	code := m.Run()
	if err := errors.Join(env.server.Stop(), os.RemoveAll(env.keys)); err != nil {
		fmt.Fprintln(os.Stderr, "stop the API server:", err)
	}
	os.Exit(code)
}

// Older starts an environment for one test whose API server behaves as that of an
// older version of Kubernetes does.
func Older(t *testing.T, version string) *Environment {
	t.Helper()
	return forOne(t, func(server *envtest.Environment) {
		server.ControlPlane.GetAPIServer().Configure().Append("emulated-version", version)
	})
}

// Own starts an environment for one test, which may interrupt it.
func Own(t *testing.T) *Environment {
	t.Helper()
	return forOne(t, nil)
}

func forOne(t *testing.T, change func(*envtest.Environment)) *Environment {
	t.Helper()
	env, err := start(change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(env.server.Stop(), os.RemoveAll(env.keys)); err != nil {
			t.Error(err)
		}
	})
	return env
}

func start(change func(*envtest.Environment)) (*Environment, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: it must name a folder with kube-apiserver and etcd; make test sets it")
	}
	server := &envtest.Environment{
		CRDDirectoryPaths:     []string{Path("config", "crd", "rag.ragops.dev_ragservices.yaml")},
		ErrorIfCRDPathMissing: true,
		// An API server that ends lets what is under way come to its end.
		ControlPlaneStopTimeout: Patience,
		// A busy machine takes longer than the 20 seconds of envtest.
		ControlPlaneStartTimeout: Patience,
	}
	// The default has addresses for 254 Services.
	server.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	if change != nil {
		change(server)
	}
	keys, err := os.MkdirTemp("", "ragservice-test-")
	if err != nil {
		return nil, err
	}
	server.ControlPlane.GetAPIServer().CertDir = keys
	config, err := server.Start()
	if err != nil {
		return nil, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	config.QPS = -1
	scheme, err := controllers.NewScheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	return &Environment{Config: config, Client: c, server: server, keys: keys}, nil
}

// gracePeriod is how long an API server that is asked to end has for it, before it is
// killed as a kubelet does. With an operator's watches open it takes over a minute.
const gracePeriod = 10 * time.Second

// Restart stops the API server, or kills it, and starts it again at the same address
// and with the same etcd.
func (e *Environment) Restart(t *testing.T, kill bool) {
	t.Helper()
	server := e.server.ControlPlane.GetAPIServer()
	process, err := apiServerProcess(server.CertDir)
	if err != nil {
		t.Fatal(err)
	}
	if !kill {
		if err := process.Signal(syscall.SIGTERM); err != nil {
			t.Fatalf("stop the API server: %v", err)
		}
		kill = !gone(t.Context(), process, gracePeriod)
	}
	if kill {
		if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatalf("kill the API server: %v", err)
		}
		if !gone(t.Context(), process, Patience) {
			t.Fatal("the API server is still there")
		}
	}
	_ = server.Stop() // which finds that it has ended, and may not like how
	if err := server.Start(); err != nil {
		t.Fatalf("start the API server again: %v", err)
	}
}

// gone waits until a process has ended, and says whether it has.
func gone(ctx context.Context, process *os.Process, patience time.Duration) bool {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return process.Signal(syscall.Signal(0)) != nil, nil
	})
	return err == nil
}

// apiServerProcess finds the child of this process that serves with the keys in a
// folder.
func apiServerProcess(keys string) (*os.Process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		// A process may end meanwhile.
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte("--cert-dir="+keys)) {
			continue
		}
		folder := filepath.Dir(file)
		stat, err := os.ReadFile(filepath.Join(folder, "stat"))
		if err != nil {
			continue
		}
		// After the name, in parentheses, come the state and the parent.
		rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(rest) < 2 || rest[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue
		}
		return os.FindProcess(pid)
	}
	return nil, fmt.Errorf("no process of this one serves with the keys in %s", keys)
}

// Kubeconfig writes a file that leads to the environment with all rights.
func (e *Environment) Kubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, e.server.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Path is a path below the root of the repository.
func Path(elements ...string) string {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
	return filepath.Join(append([]string{root}, elements...)...)
}

// Namespace makes a namespace for one test.
func (e *Environment) Namespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := e.Client.Create(t.Context(), namespace); err != nil {
		t.Fatalf("make a namespace: %v", err)
	}
	return namespace.Name
}

// User is a configuration for a user who may do nothing until a test says so, and a
// kubeconfig file that says the same.
func (e *Environment) User(t *testing.T, name string) (config *rest.Config, kubeconfig string) {
	t.Helper()
	user, err := e.server.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		t.Fatalf("add a user: %v", err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return user.Config(), kubeconfig
}

// Operator runs an operator until the test ends, or until it is stopped.
type Operator struct {
	Requests *Requests
	stop     func()
	ended    <-chan struct{}
}

// Ended is whether the operator ended, by itself or because it was stopped.
func (o *Operator) Ended() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// Stop ends the operator and waits until it has.
func (o *Operator) Stop() { o.stop() }

// Kill ends the operator as a power cut would: not one request of it gets out any
// more.
func (o *Operator) Kill() {
	o.Requests.cut()
	o.stop()
}

// Operate runs an operator in one namespace. Change adjusts its options; nil leaves
// them.
func (e *Environment) Operate(t *testing.T, namespace string, change func(*controllers.Options)) *Operator {
	t.Helper()
	return e.OperateAs(t, e.Config, namespace, change)
}

// OperateAs runs an operator with the permissions of a user.
func (e *Environment) OperateAs(t *testing.T, user *rest.Config, namespace string, change func(*controllers.Options)) *Operator {
	t.Helper()
	requests := &Requests{last: time.Now()}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	mgr, err := newManager(ctx, user, namespace, change, requests)
	if err != nil {
		cancel()
		t.Fatalf("make the operator: %v", err)
	}
	ended := make(chan struct{})
	var failure error
	go func() {
		defer close(ended)
		failure = mgr.Start(ctx)
	}()
	stopped := false
	operator := &Operator{Requests: requests, ended: ended, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-ended
		if failure != nil {
			t.Errorf("the operator ended with %v", failure)
		}
	}}
	t.Cleanup(operator.stop)
	return operator
}

// OperateFailing runs an operator whose requests fail, from its first one on, for
// which f returns an error. When it ends because of that it is started again, as a
// Deployment does.
func (e *Environment) OperateFailing(t *testing.T, namespace string, f func(*http.Request) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			mgr, err := newManager(ctx, e.Config, namespace, nil, &Requests{last: time.Now(), fail: f})
			if err == nil {
				err = mgr.Start(ctx)
			}
			if err != nil {
				t.Logf("the operator is started again after: %v", err)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// operatorOptions are those of an operator in one namespace.
func operatorOptions(namespace string, change func(*controllers.Options)) controllers.Options {
	options := controllers.Options{
		RuntimeImage:         RuntimeImage,
		Namespace:            "ragservice-system",
		WatchNamespaces:      []string{namespace},
		MonitoringNamespaces: []string{"monitoring"},
		Concurrency:          4,
		DiscoveryInterval:    200 * time.Millisecond,
		MeasureInterval:      200 * time.Millisecond,
		MetricsAddress:       "0",
		ProbeAddress:         "0",
		SkipNameValidation:   true,
	}
	if change != nil {
		change(&options)
	}
	return options
}

func newManager(ctx context.Context, user *rest.Config, namespace string, change func(*controllers.Options), requests *Requests) (manager.Manager, error) {
	config := rest.CopyConfig(user)
	requests.Wrap(config)
	return controllers.NewManager(ctx, config, logr.Discard(), operatorOptions(namespace, change))
}

// Eventually waits until check finds nothing wrong. A cleanup may use it, too.
func Eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	var last error
	ctx := context.WithoutCancel(t.Context()) // which ends before the cleanups
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, Patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("after %s: %v", Patience, last)
	}
}
