package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"ragops.dev/ragservice/api/v1alpha1"
)

const operatorNamespace = "ragservice-system"

// cluster is what the tests run on.
var cluster struct {
	client  client.Client
	config  *rest.Config
	http    *http.Client
	kubectl string
}

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard()) // the client says nothing that a failed test does not
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := runOnCluster(ctx, m.Run)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "e2e: %v\n", err)
		code = 1
	}
	os.Exit(code)
}

func runOnCluster(ctx context.Context, run func() int) (code int, err error) {
	if _, err := program(ctx, "status"); err != nil {
		// It was not up before, so it need not be afterwards.
		defer func() {
			_, downErr := program(context.WithoutCancel(ctx), "down")
			err = errors.Join(err, downErr)
		}()
	}
	if err := setUp(ctx); err != nil {
		dump(ctx)
		return 1, err
	}
	code = run()
	if code != 0 {
		dump(ctx)
	}
	return code, nil
}

func setUp(ctx context.Context) error {
	if _, err := program(ctx, "up"); err != nil {
		return err
	}
	archives, err := program(ctx, "image", "operator", "runtime", "redis", "caller", "crowd", "puppet", "standin", "externals", "postgres")
	if err != nil {
		return err
	}
	if _, err := program(ctx, append([]string{"load"}, strings.Fields(archives)...)...); err != nil {
		return err
	}
	assets, err := program(ctx, "assets")
	if err != nil {
		return err
	}
	kubeconfig, err := program(ctx, "kubeconfig")
	if err != nil {
		return err
	}
	cluster.kubectl = filepath.Join(strings.TrimSpace(assets), "kubectl")
	if err := os.Setenv("KUBECONFIG", strings.TrimSpace(kubeconfig)); err != nil {
		return err
	}
	if err := connect(strings.TrimSpace(kubeconfig)); err != nil {
		return err
	}
	return installOperator(ctx)
}

func connect(kubeconfig string) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	var err error
	if cluster.config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
		return err
	}
	// Tests are few and ask often: the API server's own limits are enough.
	cluster.config.QPS = -1
	if cluster.http, err = rest.HTTPClientFor(cluster.config); err != nil {
		return err
	}
	cluster.client, err = client.New(cluster.config, client.Options{Scheme: scheme})
	return err
}

// installOperator installs what users install, with the metrics API. An operator
// that is there already is started anew, since its image may have changed under
// the same name.
func installOperator(ctx context.Context) error {
	_, err := kubectl(ctx, "get", "deployment", "--namespace", operatorNamespace, "--output=name")
	before := err == nil
	if _, err := kubectl(ctx, "apply", "--server-side", "--force-conflicts", "--kustomize", "../../config/default-with-metrics-api"); err != nil {
		return err
	}
	if before {
		if _, err := kubectl(ctx, "rollout", "restart", "deployment", "--namespace", operatorNamespace); err != nil {
			return err
		}
	}
	_, err = kubectl(ctx, "rollout", "status", "deployment", "--namespace", operatorNamespace, "--timeout=2m")
	return err
}

// program runs a subcommand of hack/cluster and returns its standard output. What
// it says of its progress is shown.
func program(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "."}, args...)...)
	cmd.Dir = filepath.Join("..", "cluster")
	var stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("hack/cluster %s: %w", strings.Join(args, " "), err)
	}
	return stdout.String(), nil
}

func dump(ctx context.Context) {
	output, err := program(context.WithoutCancel(ctx), "dump")
	fmt.Println(output)
	if err != nil {
		fmt.Println(err)
	}
}

func kubectl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, cluster.kubectl, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}
