package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/util/proto"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"ragops.dev/ragservice/controllers"
)

// patience is how long anything may take to happen, on a machine that has more to
// do.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS is not set: it must name a folder with kube-apiserver, etcd and kubectl; make test sets it")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func kubectlPath() string { return filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl") }

// server is a real kube-apiserver that knows the optional kinds, and RAGServices once
// they are installed.
type server struct {
	config *rest.Config
	client client.Client
	// folder holds its kubeconfig, and manifests.
	folder string
}

func start(t *testing.T) *server {
	t.Helper()
	environment := &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join(root, "controllers", "testdata", "crds")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: patience,
	}
	config, err := environment.Start()
	if err != nil {
		t.Fatalf("start kube-apiserver and etcd: %v", err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	config.QPS = -1
	s := &server{config: config, folder: t.TempDir()}
	if s.client, err = client.New(config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.folder, "kubeconfig"), environment.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// apply has kubectl do what Argo CD does with the library of the same code.
func (s *server) apply(t *testing.T, objects []*unstructured.Unstructured, args ...string) {
	t.Helper()
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for _, object := range objects {
		list.Items = append(list.Items, *object)
	}
	content, err := list.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.folder, "manifest.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--kubeconfig", filepath.Join(s.folder, "kubeconfig"), "apply", "--filename", file, "--field-manager", manager}, args...)
	if output, err := exec.CommandContext(t.Context(), kubectlPath(), args...).CombinedOutput(); err != nil {
		t.Fatalf("kubectl apply: %v: %s", err, output)
	}
}

// served waits until the API server knows RAGServices.
func (s *server) served(t *testing.T) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("rag.ragops.dev/v1alpha1")
		list.SetKind("RAGServiceList")
		return s.client.List(ctx, list)
	})
}

// operate runs the operator until it has looked at all services.
func (s *server) operate(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	operator, err := controllers.NewManager(ctx, s.config, logr.Discard(), controllers.Options{
		RuntimeImage:       "ragservice/runtime:test",
		Namespace:          "ragservice-system",
		Concurrency:        2,
		DiscoveryInterval:  time.Second,
		MeasureInterval:    time.Second,
		MetricsAddress:     "0",
		ProbeAddress:       "0",
		SkipNameValidation: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- operator.Start(ctx) }()
	for _, object := range objects {
		if object.GetKind() != "RAGService" {
			continue
		}
		eventually(t, func(ctx context.Context) error {
			live := object.DeepCopy()
			if err := s.client.Get(ctx, client.ObjectKeyFromObject(object), live); err != nil {
				return err
			}
			if observed, _, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration"); observed != live.GetGeneration() {
				return fmt.Errorf("%s: generation %d is not looked at", id(object), live.GetGeneration())
			}
			return nil
		})
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the operator ended with %v", err)
	}
}

func (s *server) live(t *testing.T, object *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(object.GroupVersionKind())
	if err := s.client.Get(t.Context(), client.ObjectKeyFromObject(object), live); err != nil {
		t.Fatal(err)
	}
	return live
}

// parser knows the fields of every kind that the server has.
func (s *server) parser(t *testing.T) *managedfields.GvkParser {
	t.Helper()
	discoverer, err := discovery.NewDiscoveryClientForConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	var parser *managedfields.GvkParser
	eventually(t, func(context.Context) error {
		document, err := discoverer.OpenAPISchema()
		if err != nil {
			return err
		}
		models, err := proto.NewOpenAPIData(document)
		if err != nil {
			return err
		}
		if models.LookupModel("dev.ragops.rag.v1alpha1.RAGService") == nil {
			return errors.New("the OpenAPI document has no RAGService yet")
		}
		parser, err = managedfields.NewGVKParser(models, false)
		return err
	})
	return parser
}

var _ diff.ServerSideDryRunner = (*server)(nil)

// Run implements [diff.ServerSideDryRunner]: it asks what a server-side apply would
// make of an object.
func (s *server) Run(ctx context.Context, object *unstructured.Unstructured, manager string) (string, error) {
	result := object.DeepCopy()
	configuration := client.ApplyConfigurationFromUnstructured(result)
	if err := s.client.Apply(ctx, configuration, client.FieldOwner(manager), client.ForceOwnership, client.DryRunAll); err != nil {
		return "", err
	}
	data, err := result.MarshalJSON()
	return string(data), err
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
