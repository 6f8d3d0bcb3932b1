package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	helmProgram = "../../bin/tools/helm" // make builds it
	chartFolder = "../../dist/chart"
	releaseName = "ragservice"
	definition  = "ragservices.rag.ragops.dev"
)

// replaceOperator takes away the operator that the other tests use, with its
// definition, and brings it back after the test.
func replaceOperator(t *testing.T) {
	t.Helper()
	program, err := filepath.Abs(helmProgram)
	if err != nil {
		t.Fatal(err)
	}
	built := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-C", "../..", program)
	if output, err := built.CombinedOutput(); err != nil {
		t.Fatalf("build helm: %v\n%s", err, output)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(removeOperators(ctx), installOperator(ctx)); err != nil {
			t.Errorf("bring back the operator of the other tests: %v", err)
		}
	})
	if err := removeOperators(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// removeOperators removes the release, where there is one, and the operator of the
// other tests, with the definition and so with all services.
func removeOperators(ctx context.Context) error {
	_, err := helm(ctx, "uninstall", releaseName, "--namespace", helmNamespace, "--ignore-not-found", "--wait", "--timeout", "2m")
	errs := []error{err}
	// A registration without a server behind it hinders the deletion of namespaces, and an
	// operator that runs renews it.
	for _, what := range [][]string{
		{"deployment", "ragservice-operator", "--namespace", operatorNamespace, "--cascade=foreground"},
		{"apiservice", "v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"},
		{"--kustomize", "../../config/default-with-metrics-api"},
	} {
		_, err := kubectl(ctx, append([]string{"delete", "--ignore-not-found", "--timeout=2m"}, what...)...)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// helm runs it on the cluster of the tests, away from the user's own configuration.
func helm(ctx context.Context, args ...string) (stdout string, err error) {
	home, err := os.MkdirTemp("", "helm")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	command := exec.CommandContext(ctx, helmProgram, args...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(words.Bytes()))
	}
	return out.String(), nil
}

// helmRelease installs or upgrades the release with the values, and waits until all of
// it is ready.
func helmRelease(t *testing.T, verb, chart string, values ...string) {
	t.Helper()
	args := []string{verb, releaseName, chart, "--namespace", helmNamespace, "--wait", "--timeout", "2m"}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	if _, err := helm(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

func helmUninstall(t *testing.T) {
	t.Helper()
	if _, err := helm(t.Context(), "uninstall", releaseName, "--namespace", helmNamespace, "--wait", "--timeout", "2m"); err != nil {
		t.Fatal(err)
	}
}

// laterChart is a chart whose definition has the field spec.later.
func laterChart(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "chart")
	if err := os.CopyFS(folder, os.DirFS(chartFolder)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "templates", "crd.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const field = "              suspend:\n                default: false\n"
	if n := bytes.Count(content, []byte(field)); n != 1 {
		t.Fatalf("the definition has the field suspend %d times, want once", n)
	}
	const later = "              later:\n                default: soon\n                type: string\n"
	if err := os.WriteFile(file, bytes.Replace(content, []byte(field), []byte(later+field), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// installedObjects are those of the release, by kind and name.
func installedObjects(t *testing.T) map[string]*unstructured.Unstructured {
	t.Helper()
	manifest, err := helm(t.Context(), "get", "manifest", releaseName, "--namespace", helmNamespace)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*unstructured.Unstructured{}
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := utilyaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		if object.Object != nil {
			all[object.GetKind()+"/"+object.GetName()] = object
		}
	}
	if len(all) < 10 {
		t.Fatalf("the release has only %d objects:\n%s", len(all), manifest)
	}
	return all
}

func customResourceDefinition() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.APIVersion, object.Kind = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
	return object
}

func helmAnswers(t *testing.T, namespace string) {
	t.Helper()
	response := mustQuery(t, namespace, helmService, aboutReturns)
	if !strings.Contains(string(response.body), "thirty days") {
		t.Errorf("in %s the answer is %s", namespace, response.body)
	}
}

// servicePods are the pods of both services, of which each has one.
func servicePods(t *testing.T) map[string]string {
	t.Helper()
	all := identities(t, client.MatchingLabels{instanceLabel: helmService})
	if len(all) != 2 {
		t.Fatalf("the services have the pods %v, want one each", all)
	}
	return all
}

func operatorPods(t *testing.T) map[string]string {
	t.Helper()
	return identities(t, client.InNamespace(helmNamespace))
}

// identities tell pods by name who each of them is and how often its containers were
// restarted.
func identities(t *testing.T, option client.ListOption) map[string]string {
	t.Helper()
	var pods corev1.PodList
	if err := cluster.client.List(t.Context(), &pods, option); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, pod := range pods.Items {
		restarts := int32(0)
		for _, container := range pod.Status.ContainerStatuses {
			restarts += container.RestartCount
		}
		all[pod.Namespace+"/"+pod.Name] = fmt.Sprintf("%s, %d restarts", pod.UID, restarts)
	}
	return all
}

func samePods(t *testing.T, before, after map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("pods changed (-before +after):\n%s", diff)
	}
}

// repairs takes a label from a child of each service, and waits until the operator
// gave it back: so it has looked at both services.
func repairs(t *testing.T) {
	t.Helper()
	const label, patch = "app.kubernetes.io/component", `{"metadata":{"labels":{"app.kubernetes.io/component":null}}}`
	for _, namespace := range []string{helmTeam, helmOther} {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: helmService}}
		if err := cluster.client.Patch(t.Context(), account, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "the operator has looked at "+namespace, func(ctx context.Context) error {
			if err := cluster.client.Get(ctx, client.ObjectKeyFromObject(account), account); err != nil {
				return err
			}
			if account.Labels[label] == "" {
				return errors.New("the label is still away")
			}
			return nil
		})
	}
}
