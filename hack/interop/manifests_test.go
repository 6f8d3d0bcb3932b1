package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// kustomizations are all below config/, each as a folder to build. A component is
// added to config/default for that.
func kustomizations(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	config := filepath.Join(root, "config")
	err := filepath.WalkDir(config, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder := filepath.Dir(path)
		name := strings.TrimPrefix(folder, root+"/")
		if bytes.Contains(content, []byte("\nkind: Component\n")) {
			folder = composed(t, filepath.Join(config, "default"), folder)
		}
		found[name] = folder
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	found["config/default with all components"] = composed(t, filepath.Join(config, "default"),
		filepath.Join(config, "components", "metrics-api"), filepath.Join(config, "prometheus"), filepath.Join(config, "grafana"))
	found["config/namespaced with all components"] = composed(t, filepath.Join(config, "namespaced"),
		filepath.Join(config, "components", "metrics-api"), filepath.Join(config, "prometheus"), filepath.Join(config, "grafana"))
	return found
}

// composed writes a kustomization, as a user would.
func composed(t *testing.T, base string, components ...string) string {
	t.Helper()
	folder := t.TempDir()
	relative := func(path string) string {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		if path, err = filepath.Rel(folder, absolute); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := "resources: [" + relative(base) + "]\ncomponents:\n"
	for _, component := range components {
		text += "- " + relative(component) + "\n"
	}
	if err := os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestKustomizations has kubectl build each kustomization there is, and the API server
// say whether it would take it, strictly: with defaults, rules and unknown fields.
func TestKustomizations(t *testing.T) {
	realMonitors(t)
	found := kustomizations(t)
	if len(found) < 12 {
		t.Fatalf("found only %v", found)
	}
	for name, folder := range found {
		t.Run(name, func(t *testing.T) {
			output, err := kubectl(t.Context(), "kustomize", folder)
			if err != nil {
				t.Fatal(err)
			}
			takes(t, name, output)
			for _, object := range decode(t, output) {
				pinned(t, object)
			}
		})
	}
}

// realMonitors gives the server the definition of ServiceMonitors as users have it, in
// place of the small one of the operator's tests, from the module whose sum is pinned
// here.
func realMonitors(t *testing.T) {
	t.Helper()
	const module, sum = "github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
	output, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module).Output()
	var downloaded struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(output, &downloaded); jsonErr != nil || downloaded.Error != "" || downloaded.Sum != sum {
		t.Fatalf("download %s: %v: got the sum %s, want %s: %s", module, err, downloaded.Sum, sum, downloaded.Error)
	}
	_, err = envtest.InstallCRDs(server.config, envtest.CRDInstallOptions{
		Paths:              []string{filepath.Join(downloaded.Dir, "example", "prometheus-operator-crd", "monitoring.coreos.com_servicemonitors.yaml")},
		ErrorIfPathMissing: true,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pinned wants the images of an object's pods to have a tag that says something.
func pinned(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	for _, list := range []string{"containers", "initContainers"} {
		containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", list)
		for _, container := range containers {
			image, _, _ := unstructured.NestedString(container.(map[string]any), "image")
			_, tag, tagged := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
			if !tagged || tag == "" || tag == "latest" {
				t.Errorf("%s %s: the image %q is not pinned", object.GetKind(), object.GetName(), image)
			}
		}
	}
}

// TestSamples has the API server say whether it would take what is to be applied as it
// is.
func TestSamples(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join(root, "config", "samples", "*.yaml"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range append(samples, filepath.Join(root, "dist", "install.yaml")) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			takes(t, file, string(content))
		})
	}
}

// TestLocalSample wants the runtime alone to answer from the documents that the
// embedded sample has: with all of the documentation, tables of names hide the
// answers.
func TestLocalSample(t *testing.T) {
	var generated struct {
		ConfigMapGenerator []struct {
			Files []string `json:"files"`
		} `json:"configMapGenerator"`
	}
	var local struct {
		VectorStore struct {
			Memory struct {
				Documents []string `json:"documents"`
			} `json:"memory"`
		} `json:"vectorStore"`
	}
	for file, into := range map[string]any{"docs/kustomization.yaml": &generated, "config/samples/runtime/local.yaml": &local} {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(content, into); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for _, file := range generated.ConfigMapGenerator[0].Files {
		want = append(want, "docs/"+file)
	}
	if got := local.VectorStore.Memory.Documents; !slices.Equal(got, want) {
		t.Errorf("the documents are %q, want %q", got, want)
	}
}

// takes has the API server check a manifest.
func takes(t *testing.T, name, manifest string) {
	t.Helper()
	// The collector of config/cloudwatch is of an operator whose definitions no test has.
	objects := slices.DeleteFunc(decode(t, manifest), func(o *unstructured.Unstructured) bool { return o.GetKind() == "OpenTelemetryCollector" })
	if len(objects) == 0 {
		t.Fatalf("%s has no object", name)
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for _, object := range objects {
		list.Items = append(list.Items, *object)
	}
	content, err := list.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		namespace := object.GetNamespace()
		if object.GetKind() == "Namespace" {
			namespace = object.GetName() // a dry run makes none for what is in it
		}
		if namespace != "" {
			made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			if err := server.client.Create(t.Context(), made); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl(t.Context(), "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "--filename", file); err != nil {
		t.Error(err)
	}
}

func decode(t *testing.T, manifest string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		if object.Object != nil {
			objects = append(objects, object)
		}
	}
}

// TestInstallManifest reads what users install, and the chart's objects with it, since
// they are the same.
func TestInstallManifest(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "dist", "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	deployment, policy, service, namespace := &appsv1.Deployment{}, &networkingv1.NetworkPolicy{}, &corev1.Service{}, &corev1.Namespace{}
	typed := map[string]client.Object{"Deployment": deployment, "NetworkPolicy": policy, "Service": service, "Namespace": namespace}
	for _, object := range decode(t, string(content)) {
		name := object.GetKind() + "/" + object.GetName()
		if object.GetLabels()["app.kubernetes.io/part-of"] != "ragservice" {
			t.Errorf("%s lacks the label by which all of it is found: %v", name, object.GetLabels())
		}
		into := typed[object.GetKind()]
		if into == nil {
			continue
		}
		if into.GetName() != "" {
			t.Fatalf("there is a second %s: this test reads one", object.GetKind())
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
			t.Fatal(err)
		}
	}

	if *deployment.Spec.Replicas < 2 || !slices.Contains(deployment.Spec.Template.Spec.Containers[0].Args, "--leader-election") {
		t.Error("it does not run two replicas of which one leads")
	}
	pod := labels.Set(deployment.Spec.Template.Labels)
	for what, selector := range map[string]map[string]string{
		"the Deployment": deployment.Spec.Selector.MatchLabels, "the NetworkPolicy": policy.Spec.PodSelector.MatchLabels, "the Service": service.Spec.Selector,
	} {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(pod) {
			t.Errorf("%s selects %v, and the pods have %v", what, selector, pod)
		}
	}
	var ports []string
	for _, rule := range policy.Spec.Ingress {
		for _, port := range rule.Ports {
			ports = append(ports, port.Port.String())
		}
	}
	if !slices.Equal(ports, []string{"metrics"}) {
		t.Errorf("the NetworkPolicy lets in %v, want the metrics alone", ports)
	}
	for _, container := range deployment.Spec.Template.Spec.Containers {
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s lacks requests or its limit of memory", container.Name)
		}
		if container.LivenessProbe == nil || container.ReadinessProbe == nil {
			t.Errorf("%s has not both probes", container.Name)
		}
	}
	restricted(t, namespace, deployment.Spec.Template)
}

// restricted has the API server's own admission look at a pod, in a namespace with the
// labels of the one that is shipped.
func restricted(t *testing.T, shipped *corev1.Namespace, template corev1.PodTemplateSpec) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "interop-", Labels: shipped.Labels}}
	if err := server.client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	attempt := func(change func(*corev1.PodSpec)) error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "operator", Labels: template.Labels}, Spec: *template.Spec.DeepCopy()}
		change(&pod.Spec)
		return server.client.Create(t.Context(), pod, client.DryRunAll)
	}
	if err := attempt(func(*corev1.PodSpec) {}); err != nil {
		t.Errorf("the operator's own namespace refuses its pods: %v", err)
	}
	err := attempt(func(spec *corev1.PodSpec) { spec.SecurityContext.RunAsNonRoot = nil })
	if !apierrors.IsForbidden(err) || !strings.Contains(fmt.Sprint(err), "restricted") {
		t.Errorf("a pod that may run as root gets %v, want it forbidden: the namespace does not enforce the level", err)
	}
}
