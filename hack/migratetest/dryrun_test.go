package migratetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"ragops.dev/ragservice/ragctl/migrate/dryrun"
	"ragops.dev/ragservice/ragctl/migrate/ecs"
)

const root = "../.."

var server client.Client

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	stop, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the API server:", err)
	}
	os.Exit(code)
}

// start runs an API server with the CRDs of everything that the migration puts out.
func start() (stop func() error, err error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS is not set: it must name a folder with kube-apiserver and etcd; make test sets it")
	}
	paths := []string{filepath.Join(root, "config", "crd", "rag.ragops.dev_ragservices.yaml"), filepath.Join("testdata", "podidentityassociations.yaml")}
	for _, source := range crdSources {
		more, err := source.paths(context.Background())
		if err != nil {
			return nil, err
		}
		paths = append(paths, more...)
	}
	environment := &envtest.Environment{CRDDirectoryPaths: paths, ErrorIfCRDPathMissing: true}
	config, err := environment.Start()
	if err != nil {
		return nil, fmt.Errorf("start kube-apiserver and etcd: %w", err)
	}
	config.QPS = -1
	server, err = client.New(config, client.Options{})
	return environment.Stop, err
}

// options are the ways each fixture is converted.
var options = map[string]ecs.Options{
	"defaults":              {},
	"keep-image":            {KeepImage: true},
	"pod identity and refs": {Identity: ecs.PodIdentity, Secrets: ecs.SecretRefs},
	"security group policy": {SecurityGroupPolicy: true},
}

// TestServerTakesEverything applies the objects of every fixture. The server runs
// defaulting, CEL rules and validation; strictly, so that an unknown field is an
// error as well.
func TestServerTakesEverything(t *testing.T) {
	kinds := map[string]bool{}
	for _, fixture := range fixtures(t) {
		for name, o := range options {
			t.Run(filepath.Base(fixture)+" "+name, func(t *testing.T) {
				o.Namespace = namespace(t)
				objects, _, err := ecs.Convert(ecs.Inputs{Files: read(t, fixture), Options: o})
				if err != nil {
					t.Fatal(err)
				}
				strict := client.WithFieldValidation(server, metav1.FieldValidationStrict)
				if err := dryrun.Apply(t.Context(), strict, objects); err != nil {
					t.Error(err)
				}
				for _, object := range objects {
					kinds[object.GetKind()] = true
				}
			})
		}
	}
	want := []string{
		"ConfigMap", "DaemonSet", "Deployment", "ExternalSecret", "HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "PersistentVolume",
		"PersistentVolumeClaim", "PodDisruptionBudget", "PodIdentityAssociation", "PrometheusRule", "RAGService", "ScaledObject", "Secret",
		"SecretStore", "SecurityGroupPolicy", "Service", "ServiceAccount",
	}
	for _, kind := range want {
		if !kinds[kind] {
			t.Errorf("no fixture puts out a %s", kind)
		}
	}
}

// TestServerRefuses shows that the check can fail, and what it says then.
func TestServerRefuses(t *testing.T) {
	files := []ecs.File{{Name: "task.json", Data: []byte(`{"family": "web", "containerDefinitions": [{"name": "web", "image": "web"}]}`)}}
	objects, _, err := ecs.Convert(ecs.Inputs{Files: files, Options: ecs.Options{Namespace: "not-there"}})
	if err != nil {
		t.Fatal(err)
	}
	objects[0].SetKind("NoSuchKind")
	err = dryrun.Apply(t.Context(), server, objects)
	for _, want := range []string{"NoSuchKind web: the cluster has no /v1, Kind=NoSuchKind", `Deployment web: namespaces "not-there" not found`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

// namespace makes one for a test.
func namespace(t *testing.T) string {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := server.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object.Name
}

// fixtures lists the folders of the migration's own fixtures.
func fixtures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "ragctl", "migrate", "ecs", "testdata", "*", "task.json"))
	if err != nil || len(files) < 8 {
		t.Fatalf("found %d fixtures: %v", len(files), err)
	}
	var folders []string
	for _, file := range files {
		folders = append(folders, filepath.Dir(file))
	}
	return slices.Compact(folders)
}

func read(t *testing.T, fixture string) []ecs.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(fixture, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files []ecs.File
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, ecs.File{Name: filepath.Base(path), Data: data})
	}
	return files
}
