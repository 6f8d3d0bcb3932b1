package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Where the chart is installed, and the namespaces of two teams with a service each.
const (
	helmNamespace = "e2e-helm"
	helmTeam      = "e2e-helm-team"
	helmOther     = "e2e-helm-other"
	helmService   = "desk"
)

// TestHelm installs the chart in the place of the operator that the other tests use,
// and takes it through its life. The steps build on each other, so the first that
// fails ends the test.
func TestHelm(t *testing.T) {
	replaceOperator(t)
	for _, namespace := range []string{helmNamespace, helmTeam, helmOther} {
		newNamespace(t, namespace)
	}
	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"an installation in a restricted namespace serves", helmInstalls},
		{"an upgrade with other values changes no pod of a service", helmUpgrades},
		{"an upgrade of the definition restarts nothing at all", helmUpgradesDefinition},
		{"with a list of namespaces it works in those and in no other", helmScopes},
		{"an uninstallation leaves the services and the definition", helmUninstalls},
		{"the next installation takes the services over", helmTakesOver},
		{"without crds.keep an uninstallation leaves nothing", helmRemovesAll},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			t.Fatalf("the steps after %q need it", step.name)
		}
	}
}

func helmInstalls(t *testing.T) {
	helmRelease(t, "install", chartFolder)
	for _, namespace := range []string{helmTeam, helmOther} {
		create(t, documents(namespace, helmService))
		create(t, embedded(namespace, helmService))
	}
	for _, namespace := range []string{helmTeam, helmOther} {
		waitReady(t, namespace, helmService)
		helmAnswers(t, namespace)
	}
	if operators := operatorPods(t); len(operators) != 2 {
		t.Errorf("the operator has the pods %v, want two", operators)
	}
}

// otherValues are not the chart's own.
var otherValues = []string{"replicas=1", "podLabels.team=platform", "extraArgs={--concurrency=2}"}

func helmUpgrades(t *testing.T) {
	before := servicePods(t)
	helmRelease(t, "upgrade", chartFolder, otherValues...)
	eventually(t, time.Minute, "the operator runs with the values", func(ctx context.Context) error {
		var operators corev1.PodList
		if err := cluster.client.List(ctx, &operators, client.InNamespace(helmNamespace)); err != nil {
			return err
		}
		if len(operators.Items) != 1 {
			return fmt.Errorf("it has %d pods, want one", len(operators.Items))
		}
		pod := operators.Items[0]
		if pod.Labels["team"] != "platform" || !slices.Contains(pod.Spec.Containers[0].Args, "--concurrency=2") {
			return fmt.Errorf("its pod has the labels %v and the arguments %v", pod.Labels, pod.Spec.Containers[0].Args)
		}
		return nil
	})
	repairs(t)
	samePods(t, before, servicePods(t))
}

// helmUpgradesDefinition upgrades to a chart whose definition has one field more,
// while the operator of before runs on.
func helmUpgradesDefinition(t *testing.T) {
	services, operators := servicePods(t), operatorPods(t)
	helmRelease(t, "upgrade", laterChart(t), otherValues...)
	service := &unstructured.Unstructured{}
	service.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("RAGService"))
	eventually(t, time.Minute, "the new definition is served", func(ctx context.Context) error {
		if err := cluster.client.Get(ctx, client.ObjectKey{Namespace: helmTeam, Name: helmService}, service); err != nil {
			return err
		}
		if value, _, _ := unstructured.NestedString(service.Object, "spec", "later"); value != "soon" {
			return fmt.Errorf("spec.later is %q, want its default", value)
		}
		return nil
	})
	repairs(t)
	samePods(t, services, servicePods(t))
	samePods(t, operators, operatorPods(t))
	waitReady(t, helmTeam, helmService)
}

// helmScopes makes a service where the operator may not work and then one where it
// may: once that is looked at, the other would have been.
func helmScopes(t *testing.T) {
	before := servicePods(t)
	helmRelease(t, "upgrade", chartFolder, "replicas=1", "watchNamespaces={"+helmTeam+"}")
	const name = "second"
	for _, namespace := range []string{helmOther, helmTeam} {
		create(t, embedded(namespace, name)) // lacks its documents, and so needs no pod
	}
	eventually(t, time.Minute, "the operator has looked at its namespace", func(ctx context.Context) error {
		service, err := get(ctx, helmTeam, name)
		if err != nil {
			return err
		}
		return hasCondition(service, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReferenceNotFound)
	})
	other, err := get(t.Context(), helmOther, name)
	if err != nil {
		t.Fatal(err)
	}
	if other.Status.ObservedGeneration != -1 || len(other.Status.Conditions) > 0 {
		t.Errorf("a service elsewhere was looked at: %+v", other.Status)
	}
	for namespace, want := range map[string]string{helmTeam: "yes", helmOther: "no", helmNamespace: "no"} {
		// Its exit code says the same as its output.
		answer, err := kubectl(t.Context(), "auth", "can-i", "list", "secrets", "--namespace", namespace,
			"--as=system:serviceaccount:"+helmNamespace+":ragservice-operator")
		if strings.TrimSpace(answer) != want {
			t.Errorf("whether the operator may list Secrets in %s: %q (%v), want %s", namespace, answer, err, want)
		}
	}
	for _, namespace := range []string{helmOther, helmTeam} {
		if err := cluster.client.Delete(t.Context(), embedded(namespace, name)); err != nil {
			t.Fatal(err)
		}
	}
	samePods(t, before, servicePods(t))
	helmAnswers(t, helmOther) // what runs there goes on
}

func helmUninstalls(t *testing.T) {
	before, installed := servicePods(t), installedObjects(t)
	helmUninstall(t)
	left := map[string]bool{}
	for name, object := range installed {
		if err := cluster.client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err == nil {
			left[name] = true
		} else if !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[string]bool{"CustomResourceDefinition/" + definition: true}, left); diff != "" {
		t.Errorf("of what was installed there is still (-want +got):\n%s", diff)
	}
	eventually(t, time.Minute, "its namespace has nothing but the lease of its leader", onlyLeaseLeft)
	samePods(t, before, servicePods(t))
	helmAnswers(t, helmTeam)
	helmAnswers(t, helmOther)
}

// onlyLeaseLeft looks at what the operator's namespace holds, and every namespace does
// not.
func onlyLeaseLeft(ctx context.Context) error {
	found, err := objects(ctx, helmNamespace)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, object := range found {
		names[object.Kind+"/"+object.Name] = true
	}
	want := map[string]bool{"ConfigMap/kube-root-ca.crt": true, "ServiceAccount/default": true, "Lease/operator.rag.ragops.dev": true}
	if !maps.Equal(names, want) {
		return fmt.Errorf("it has (-want +got):\n%s", cmp.Diff(want, names))
	}
	return nil
}

func helmTakesOver(t *testing.T) {
	before := servicePods(t)
	helmRelease(t, "install", chartFolder)
	repairs(t)
	samePods(t, before, servicePods(t))
	waitReady(t, helmTeam, helmService)
}

func helmRemovesAll(t *testing.T) {
	helmRelease(t, "upgrade", chartFolder, "crds.keep=false")
	helmUninstall(t)
	err := cluster.client.Get(t.Context(), client.ObjectKey{Name: definition}, customResourceDefinition())
	if !apierrors.IsNotFound(err) {
		t.Errorf("asked for the definition, the API server says %v, want it not found", err)
	}
	eventually(t, 2*time.Minute, "no pod of a service is left", func(ctx context.Context) error {
		var pods corev1.PodList
		if err := cluster.client.List(ctx, &pods, client.MatchingLabels{instanceLabel: helmService}); err != nil {
			return err
		}
		if len(pods.Items) > 0 {
			return fmt.Errorf("there are still %d", len(pods.Items))
		}
		return nil
	})
}
