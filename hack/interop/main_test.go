package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"ragops.dev/ragservice/controllers"
)

const root = "../.."

// patience is how long anything may take to happen, on a machine that has more to
// do.
const patience = 2 * time.Minute

// server is a real kube-apiserver that knows RAGServices and the optional kinds.
var server struct {
	config *rest.Config
	client client.Client
	// kubeconfig is a file, for kubectl.
	kubeconfig string
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code, err := withServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withServer(run func() int) (code int, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return 1, errors.New("KUBEBUILDER_ASSETS is not set: it must name a folder with kube-apiserver, etcd and kubectl; make test sets it")
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths: []string{
			filepath.Join(root, "config", "crd", "rag.ragops.dev_ragservices.yaml"),
			filepath.Join(root, "controllers", "testdata", "crds"),
		},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: patience,
	}
	server.config, err = environment.Start()
	if err != nil {
		return 1, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	defer func() { err = errors.Join(err, environment.Stop()) }()
	server.config.QPS = -1
	scheme, err := controllers.NewScheme()
	if err != nil {
		return 1, err
	}
	if server.client, err = client.New(server.config, client.Options{Scheme: scheme}); err != nil {
		return 1, err
	}
	folder, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	server.kubeconfig = filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(server.kubeconfig, environment.KubeConfig, 0o600); err != nil {
		return 1, err
	}
	return run(), nil
}

// kubectl runs it and returns all that it says.
func kubectl(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), append([]string{"--kubeconfig", server.kubeconfig}, args...)...)
	output, err := command.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %v: %w: %s", args, err, output)
	}
	return string(output), err
}

// eventually waits until check finds nothing wrong.
func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("after %s: %v", patience, last)
	}
}
