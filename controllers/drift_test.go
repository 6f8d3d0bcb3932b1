package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/discover"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// installOptional gives the API server the optional kinds until the test ends.
func installOptional(t *testing.T) {
	t.Helper()
	options := envtest.CRDInstallOptions{Paths: []string{"testdata/crds"}, ErrorIfPathMissing: true}
	noneServed(t) // of a test before
	if _, err := envtest.InstallCRDs(env.Config, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(env.Config, options); err != nil {
			t.Error(err)
		}
		noneServed(t)
	})
}

// noneServed waits until the API server serves no optional kind.
func noneServed(t *testing.T) {
	t.Helper()
	discoverer, err := discovery.NewDiscoveryClientForConfig(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(context.Context) error {
		served, _, err := discover.New(discoverer, build.OptionalKinds).Refresh()
		if err == nil && len(served) > 0 {
			err = fmt.Errorf("%v are still served", served)
		}
		return err
	})
}

// edits are merge patches that somebody might apply to a child of the kind: one of a
// field that the operator owns, and one of a field that it does not.
var edits = map[schema.GroupVersionKind]struct{ owned, unowned string }{
	build.ServiceAccountKind: {`{"automountServiceAccountToken":null,"metadata":{"labels":{"app.kubernetes.io/component":"redis"}}}`, `{"imagePullSecrets":[{"name":"registry"}]}`},
	build.ConfigMapKind:      {`{"metadata":{"labels":{"app.kubernetes.io/component":"redis"}}}`, `{"metadata":{"labels":{"team":"support"}}}`},
	build.SecretKind:         {`{"metadata":{"labels":{"app.kubernetes.io/managed-by":"somebody"}}}`, `{"metadata":{"labels":{"team":"support"}}}`},
	build.ServiceKind:        {`{"spec":{"selector":{"app.kubernetes.io/component":"elsewhere"}}}`, `{"spec":{"sessionAffinity":"ClientIP"}}`},
	build.DeploymentKind:     {`{"spec":{"template":{"spec":{"enableServiceLinks":true}}}}`, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-25T22:00:00Z"}}}}}`},
	build.StatefulSetKind:    {`{"spec":{"replicas":3}}`, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-25T22:00:00Z"}}}}}`},
	build.AutoscalerKind:     {`{"spec":{"maxReplicas":3}}`, `{"metadata":{"labels":{"team":"support"}}}`},
	build.DisruptionKind:     {`{"spec":{"maxUnavailable":"100%"}}`, `{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}`},
	build.NetworkPolicyKind:  {`{"spec":{"ingress":[{}]}}`, `{"metadata":{"labels":{"team":"support"}}}`},
	build.IngressKind:        {`{"spec":{"ingressClassName":"elsewhere"}}`, `{"spec":{"defaultBackend":{"service":{"name":"else","port":{"number":80}}}}}`},
	build.HTTPRouteKind:      {`{"spec":{"parentRefs":[{"name":"elsewhere"}]}}`, `{"spec":{"hostnames":["support.example.com"]}}`},
	build.ScaledObjectKind:   {`{"spec":{"maxReplicaCount":3}}`, `{"metadata":{"labels":{"team":"support"}}}`},
	build.ServiceMonitorKind: {`{"spec":{"endpoints":[{"port":"elsewhere"}]}}`, `{"metadata":{"labels":{"team":"support"}}}`},
	build.PrometheusRuleKind: {`{"spec":{"groups":[]}}`, `{"metadata":{"labels":{"team":"support"}}}`},
}

// everyChild makes services that have, between them, every kind of child there is,
// and returns those children.
func everyChild(t *testing.T, namespace string, operator *testkit.Operator) []*unstructured.Unstructured {
	t.Helper()
	services := []*v1alpha1.RAGService{
		testkit.Service(namespace, "support", testkit.WithEverything),
		testkit.Service(namespace, "routed", testkit.WithGateway, testkit.WithManagedEmbedding, byKEDA),
	}
	var result []*unstructured.Unstructured
	kinds := map[schema.GroupVersionKind]bool{}
	for _, s := range services {
		create(t, operator, s)
		testkit.Eventually(t, func(ctx context.Context) error {
			return complete(ctx, s)
		})
		owned, err := env.Owned(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range owned {
			if o.Owner == s.UID {
				result = append(result, testkit.Object(o.Kind, namespace, o.Name))
				kinds[o.Kind] = true
			}
		}
	}
	for _, kind := range testkit.Kinds() {
		if !kinds[kind] {
			t.Fatalf("none of the children is a %s: no service of this test asks for one", kind.Kind)
		}
	}
	return result
}

func byKEDA(s *v1alpha1.RAGService) {
	kedaScaling(&s.Spec)
	s.Spec.Scaling.MinReplicas = 1
}

// complete says which children of a service are missing or too many.
func complete(ctx context.Context, service *v1alpha1.RAGService) error {
	want, err := wanted(ctx, service)
	if err != nil {
		return err
	}
	got, err := env.Children(ctx, service)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("children of %s differ (-want +got):\n%s", service.Name, diff)
	}
	return nil
}

// wanted are the names of the children that the service should have, where all
// optional kinds are served.
func wanted(ctx context.Context, service *v1alpha1.RAGService) ([]string, error) {
	s := &v1alpha1.RAGService{}
	if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), s); err != nil {
		return nil, err
	}
	content, err := build.Configuration(s)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range build.Names(s, content.Name) {
		if n.Wanted {
			names = append(names, n.Kind.Kind+"/"+n.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// TestDrift does to every kind of child what people and other controllers do: it is
// deleted, a field of the operator's is changed, it loses its labels or its owner.
// Each time it comes back as it was. A field that is not the operator's stays as
// somebody else set it.
func TestDrift(t *testing.T) {
	installOptional(t)
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	objects := everyChild(t, namespace, operator)
	for _, object := range objects {
		t.Run(object.GetKind()+"/"+object.GetName(), func(t *testing.T) {
			kind := object.GroupVersionKind()
			edit, known := edits[kind]
			if !known {
				t.Fatalf("there is no edit of a %s: add one", kind.Kind)
			}
			key := client.ObjectKeyFromObject(object)
			for _, step := range []struct{ name, change string }{
				{"deleted", ""},
				{"edited", edit.owned},
				{"without labels", `{"metadata":{"labels":null}}`},
				{"without owner", `{"metadata":{"ownerReferences":null}}`},
			} {
				if err := env.Client.Get(t.Context(), key, object); err != nil {
					t.Fatal(err)
				}
				want := content(object)
				if step.change == "" {
					if err := env.Client.Delete(t.Context(), object); err != nil {
						t.Fatal(err)
					}
				} else {
					patch(t, object, step.change)
					if diff := cmp.Diff(want, content(object)); diff == "" {
						t.Fatalf("%s: the patch changes nothing", step.name)
					}
				}
				testkit.Eventually(t, func(ctx context.Context) error {
					if err := env.Client.Get(ctx, key, object); err != nil {
						return fmt.Errorf("%s: %w", step.name, err)
					}
					if diff := cmp.Diff(want, content(object)); diff != "" {
						return fmt.Errorf("%s: not as before (-want +got):\n%s", step.name, diff)
					}
					return nil
				})
			}
		})
	}
	settle(t, operator)

	operator.Requests.Reset()
	versions := map[string]string{}
	for _, object := range objects {
		patch(t, object, edits[object.GroupVersionKind()].unowned)
		patch(t, object, `{"metadata":{"annotations":{"example.com/note":"mine"}}}`)
		versions[object.GetKind()+"/"+object.GetName()] = object.GetResourceVersion()
	}
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("fields of somebody else made the operator write %v", writes)
	}
	for _, object := range objects {
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		if name := object.GetKind() + "/" + object.GetName(); object.GetResourceVersion() != versions[name] {
			t.Errorf("%s was written to", name)
		}
	}
}

// content is an object without what changes with every write, and without what the
// API server or the operator makes up anew.
func content(object *unstructured.Unstructured) map[string]any {
	c := object.DeepCopy()
	for _, path := range [][]string{
		{"metadata", "resourceVersion"}, {"metadata", "uid"}, {"metadata", "creationTimestamp"}, {"metadata", "generation"},
		{"metadata", "managedFields"}, {"status"}, {"spec", "clusterIP"}, {"spec", "clusterIPs"},
	} {
		unstructured.RemoveNestedField(c.Object, path...)
	}
	if c.GetKind() == build.SecretKind.Kind {
		unstructured.RemoveNestedField(c.Object, "data")
	}
	if c.GetKind() == build.StatefulSetKind.Kind { // a new password restarts the Redis
		unstructured.RemoveNestedField(c.Object, "spec", "template", "metadata", "annotations", build.AnnotationPassword)
		unstructured.RemoveNestedField(c.Object, "metadata", "annotations")
	}
	return c.Object
}

// TestSwitchedOff checks that what a spec does not ask for any more is deleted, of
// every kind that a service can do without.
func TestSwitchedOff(t *testing.T) {
	installOptional(t)
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	objects := everyChild(t, namespace, operator)
	kept := map[schema.GroupVersionKind]bool{build.ConfigMapKind: true, build.DeploymentKind: true, build.ServiceKind: true}
	switchOff(t, namespace)
	for _, object := range objects {
		if kept[object.GroupVersionKind()] {
			continue
		}
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
			t.Errorf("%s %s is still there: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

// switchOff takes from the services of everyChild all that they can do without, and
// waits until it is gone.
func switchOff(t *testing.T, namespace string) {
	t.Helper()
	for _, name := range []string{"support", "routed"} {
		service := testkit.Service(namespace, name)
		edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
			*s = testkit.Service(namespace, name).Spec
			s.Scaling = v1alpha1.Scaling{MinReplicas: 1, MaxReplicas: 1}
			s.Workload.NetworkPolicy = v1alpha1.NetworkPolicyNone
			s.Workload.ServiceAccount.Name = "default"
		})
		testkit.Eventually(t, func(ctx context.Context) error { return complete(ctx, service) })
	}
}

// TestForeign puts objects of somebody else under the names of all children: each is
// named in the condition and left alone, and its name is taken once it is free.
func TestForeign(t *testing.T) {
	installOptional(t)
	origin := env.Namespace(t)
	operator := env.Operate(t, origin, nil)
	objects := everyChild(t, origin, operator)
	operator.Stop()

	namespace := env.Namespace(t)
	services := map[string]*v1alpha1.RAGService{
		"support": testkit.Service(namespace, "support", testkit.WithEverything),
		"routed":  testkit.Service(namespace, "routed", testkit.WithGateway, testkit.WithManagedEmbedding, byKEDA),
	}
	for _, s := range services {
		if err := env.Client.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	var foreign []*unstructured.Unstructured
	for _, object := range objects {
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		copied := &unstructured.Unstructured{Object: content(object)}
		for _, field := range []string{"labels", "annotations", "ownerReferences"} {
			unstructured.RemoveNestedField(copied.Object, "metadata", field)
		}
		copied.SetNamespace(namespace)
		if name, _, isConfig := strings.Cut(object.GetName(), "-config-"); isConfig {
			copied.SetName(name + "-config-" + configHash(t, services[name]))
		}
		if err := env.Client.Create(t.Context(), copied); err != nil {
			t.Fatalf("create a foreign %s %s: %v", copied.GetKind(), copied.GetName(), err)
		}
		foreign = append(foreign, copied)
	}

	operator = env.Operate(t, namespace, nil)
	message := ""
	for _, s := range services {
		stalled := env.Condition(t, s, v1alpha1.ConditionStalled, metav1.ConditionTrue)
		if stalled.Reason != v1alpha1.ReasonNameConflict {
			t.Errorf("Stalled of %s says %s, want NameConflict", s.Name, stalled.Reason)
		}
		message += stalled.Message + "; "
	}
	settle(t, operator)
	for _, object := range foreign {
		want := fmt.Sprintf("%s %s exists and does not belong to this RAGService", object.GetKind(), object.GetName())
		if !strings.Contains(message, want) {
			t.Errorf("Stalled does not say %q; it says %s", want, message)
		}
		before := object.GetResourceVersion()
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		if object.GetResourceVersion() != before {
			t.Errorf("the foreign %s %s was written to", object.GetKind(), object.GetName())
		}
		if err := env.Client.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range services {
		touch(t, s)
		testkit.Eventually(t, func(ctx context.Context) error { return complete(ctx, s) })
	}
}

// TestForeignInTheLastMoment lets somebody else take names while the operator's
// requests for them are on their way: what is there first stays as it is.
func TestForeignInTheLastMoment(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
	foreign := map[string]client.Object{ // by the requests that they forestall
		"PATCH services/support":             &corev1.Service{ObjectMeta: meta("support"), Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}}},
		"PATCH networkpolicies/support":      &networkingv1.NetworkPolicy{ObjectMeta: meta("support")},
		"POST secrets":                       &corev1.Secret{ObjectMeta: meta("support-redis")},
		"PATCH serviceaccounts/support":      &corev1.ServiceAccount{ObjectMeta: meta("support")},
		"PATCH poddisruptionbudgets/support": &policyv1.PodDisruptionBudget{ObjectMeta: meta("support")},
	}
	var mu sync.Mutex
	made := map[string]client.Object{}
	operator := env.Operate(t, namespace, nil)
	operator.Requests.Fail(func(request *http.Request) error {
		mu.Lock()
		defer mu.Unlock()
		for call, object := range foreign {
			method, path, _ := strings.Cut(call, " ")
			if made[call] == nil && request.Method == method && strings.HasSuffix(request.URL.Path, "/"+path) {
				made[call] = object
				if err := env.Client.Create(t.Context(), object); err != nil {
					t.Errorf("%s: %v", call, err)
				}
			}
		}
		return nil
	})
	service := testkit.Service(namespace, "support", testkit.WithManagedRedis, testkit.WithReplicas(2, 4))
	if err := env.Client.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	stalled := env.Condition(t, service, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	if stalled.Reason != v1alpha1.ReasonNameConflict {
		t.Errorf("Stalled says %s, want NameConflict", stalled.Reason)
	}
	settle(t, operator)
	for call, object := range foreign {
		if made[call] == nil {
			t.Errorf("the operator never sent %s", call)
			continue
		}
		before := object.GetResourceVersion()
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		if object.GetResourceVersion() != before {
			t.Errorf("what forestalled %s was written to", call)
		}
	}
	operator.Requests.Reset()
	touch(t, service)
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("what is known to be somebody else's is tried again: %v", writes)
	}
}
