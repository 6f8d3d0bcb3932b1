package controllers_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

const (
	operatorNamespace = "ragservice-system"
	operatorUser      = "system:serviceaccount:" + operatorNamespace + ":ragservice-operator"
)

// unseen are permissions that are granted and that TestPermissions does not see used,
// with the reason for each.
var unseen = map[string]string{
	"ClusterRole/ragservice-operator: update rag.ragops.dev/ragservices/finalizers": "asked for by the admission of owner references, which makes no request of it: without it no child can be made here",
}

// TestPermissions runs two operators as the ServiceAccount of the shipped manifests,
// with what those grant and nothing else, for the whole cluster and for a list of
// namespaces. They do all there is to do, and are denied nothing; and nothing is
// granted that was not used, as the API server's audit log says.
func TestPermissions(t *testing.T) {
	audited, audit := testkit.Audited(t, operatorUser)
	shared := env
	env = audited
	t.Cleanup(func() { env = shared })
	installOptional(t)
	for _, name := range []string{operatorNamespace, "team-a", "team-b"} {
		if err := env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}

	scoped := filepath.Join(t.TempDir(), "kustomization.yaml")
	config, err := filepath.Rel(filepath.Dir(scoped), testkit.Path("config"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(scoped, fmt.Appendf(nil, "resources: [%[1]s/namespaced]\ncomponents: [%[1]s/components/metrics-api]\n", config), 0o600); err != nil {
		t.Fatal(err)
	}
	granted := map[testkit.Permission]bool{}
	for _, scope := range []struct {
		name, folder string
		// namespaces to work in; nil for all.
		namespaces []string
	}{
		{"the whole cluster", testkit.Path("config", "default-with-metrics-api"), nil},
		{"some namespaces", filepath.Dir(scoped), []string{"team-a", "team-b"}},
	} {
		t.Run(scope.name, func(t *testing.T) {
			shipped := built(t, scope.folder)
			maps.Copy(granted, grants(t, shipped))
			install(t, shipped, scope.namespaces)
			workAll(t, scope.namespaces)
		})
	}
	used, denied := audit.Read(t)
	if len(denied) > 0 {
		t.Errorf("the operator was denied:\n%s", strings.Join(denied, "\n"))
	}
	for permission := range granted {
		if permission.Verb == "list" {
			// An API server since 1.32 sends what there is as the beginning of a watch; one
			// before that is asked for a list.
			watch := permission
			watch.Verb = "watch"
			used[permission] = used[permission] || used[watch]
		}
		// Kubernetes' own roles, which the manifests bind too, grant some of the same, and
		// the log names one role of several that allow a request.
		used[permission] = used[permission] || slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(p testkit.Permission) bool {
			return p.Resource == permission.Resource && p.Verb == permission.Verb && (p.Role == "ClusterRole/system:auth-delegator" || p.Role == "Role/extension-apiserver-authentication-reader")
		})
		// Whether an event comes again, and is counted rather than made anew, is chance.
		if strings.Contains(permission.String(), "patch") && strings.Contains(permission.String(), "events.k8s.io") {
			continue
		}
		switch _, known := unseen[permission.String()]; {
		case used[permission] && known:
			t.Errorf("%s is used: take it off the list of those that are not seen", permission)
		case !used[permission] && !known:
			t.Errorf("%s is granted, and the operator did not use it: take it away, or say in unseen what it is for", permission)
		}
	}
	for name := range unseen {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(granted)), func(p testkit.Permission) bool { return p.String() == name }) {
			t.Errorf("%s is on the list of those that are not seen, and is not granted", name)
		}
	}
}

// built are the objects of a kustomization, as kubectl builds it.
func built(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "kustomize", folder)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl kustomize: %v: %s", err, &stderr)
	}
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(output), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// grants are the permissions that the roles bound to the operator give, one for each
// verb and resource. Roles that the manifests bind and do not bring are Kubernetes'
// own.
func grants(t *testing.T, shipped []*unstructured.Unstructured) map[testkit.Permission]bool {
	t.Helper()
	bound := map[string]bool{}
	for _, object := range shipped {
		if strings.HasSuffix(object.GetKind(), "RoleBinding") {
			kind, _, _ := unstructured.NestedString(object.Object, "roleRef", "kind")
			name, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
			bound[kind+"/"+name] = true
		}
	}
	all := map[testkit.Permission]bool{}
	for _, object := range shipped {
		role := &rbacv1.ClusterRole{} // a Role has the same rules
		name := object.GetKind() + "/" + object.GetName()
		if !bound[name] {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						all[testkit.Permission{Role: name, Resource: group + "/" + resource, Verb: verb}] = true
					}
				}
			}
		}
	}
	return all
}

// install makes the ServiceAccount, the roles and the bindings until the test ends. A
// binding in a namespace that the operator works in is made in each.
func install(t *testing.T, shipped []*unstructured.Unstructured, namespaces []string) {
	t.Helper()
	for _, object := range shipped {
		if object.GroupVersionKind().Group != rbacv1.GroupName && object.GetKind() != "ServiceAccount" {
			continue
		}
		copies := []string{object.GetNamespace()}
		if slices.Contains(namespaces, object.GetNamespace()) {
			copies = namespaces
		}
		for _, namespace := range copies {
			made := object.DeepCopy()
			made.SetNamespace(namespace)
			if err := env.Client.Create(t.Context(), made); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := env.Client.Delete(context.WithoutCancel(t.Context()), made); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// workAll has two operators do all that there is to do: the first leads, and later the
// second.
func workAll(t *testing.T, namespaces []string) {
	const namespace = "team-a"
	user, kubeconfig := env.User(t, operatorUser)
	metrics := freePort(t)
	operate := func(metricsAddress string) *testkit.Operator {
		return env.OperateAs(t, user, namespace, func(o *controllers.Options) {
			o.WatchNamespaces = namespaces
			o.LeaderElection = true
			o.MetricsAddress = metricsAddress
			o.MetricsAPIPort, o.MetricsAPIService, o.Kubeconfig = freePort(t), "ragservice-operator-metrics-api", kubeconfig
		})
	}
	t.Cleanup(func() { leaveNothing(t, namespace, "team-b") })

	first := operate(fmt.Sprintf("127.0.0.1:%d", metrics))
	children := everyChild(t, namespace, first)
	registered(t)
	spoilCertificate(t)
	second := operate("0")
	env.Roll(t, namespace, "support")
	env.RollRedis(t, namespace, "support")
	service := testkit.Service(namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	mayRead(t, metrics)

	first.Stop() // gives the lease back
	create(t, second, testkit.Service("team-b", "other"))
	loseLabels(t, children)
	refer(t, service)
	switchOff(t, namespace)
	for _, namespace := range []string{"team-a", "team-b", "default"} {
		may := namespaces == nil || slices.Contains(namespaces, namespace)
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               operatorUser,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "list", Resource: "secrets"},
		}}
		if err := env.Client.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed != may {
			t.Errorf("that it may list the Secrets of %s is %t, want %t", namespace, review.Status.Allowed, may)
		}
	}
}

// refer has a service name a Secret and a ConfigMap that come later.
func refer(t *testing.T, service *v1alpha1.RAGService) {
	t.Helper()
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
		s.Model.ModelProvider = v1alpha1.ModelProvider{OpenAI: &v1alpha1.OpenAIModel{
			Model: "m", OpenAIEndpoint: v1alpha1.OpenAIEndpoint{APIKey: &v1alpha1.SecretKey{Name: "openai", Key: "api-key"}},
		}}
		testkit.WithDocuments("handbook")(service)
	})
	env.Condition(t, service, v1alpha1.ConditionStalled, metav1.ConditionTrue)
	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: "openai"}, Data: map[string][]byte{"api-key": []byte("s3cret")}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: "handbook"}, Data: map[string]string{"a.md": "one"}},
	} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		d := &appsv1.Deployment{}
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), d); err != nil {
			return err
		}
		if !strings.Contains(fmt.Sprint(d.Spec.Template.Spec.Volumes), "handbook") {
			return errors.New("the Deployment does not mount the documents yet")
		}
		return nil
	})
}

// spoilCertificate makes the certificate of the custom metrics API one that the next
// operator has to renew.
func spoilCertificate(t *testing.T) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "ragservice-metrics-api"}}
	patch(t, secret, `{"data":{"ca.crt":"bm9uZQ=="}}`)
	t.Cleanup(func() {
		if err := env.Client.Get(context.WithoutCancel(t.Context()), client.ObjectKeyFromObject(secret), secret); err != nil || string(secret.Data["ca.crt"]) == "none" {
			t.Errorf("the certificate was not renewed: %v", err)
		}
	})
}

// loseLabels takes the labels from children, which the operator gives back: it does not
// see them any more, tries to make them, and looks for what is there. Nothing else of
// them changes meanwhile: a Redis would start anew.
func loseLabels(t *testing.T, children []*unstructured.Unstructured) {
	t.Helper()
	generations := make([]int64, len(children))
	for i, child := range children {
		patch(t, child, `{"metadata":{"labels":null}}`)
		generations[i] = child.GetGeneration()
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		var errs []error
		for _, child := range children {
			if err := env.Client.Get(ctx, client.ObjectKeyFromObject(child), child); err != nil {
				errs = append(errs, err)
			} else if len(child.GetLabels()) == 0 {
				errs = append(errs, fmt.Errorf("%s %s has no labels yet", child.GetKind(), child.GetName()))
			}
		}
		return errors.Join(errs...)
	})
	for i, child := range children {
		if got := child.GetGeneration(); got != generations[i] {
			t.Errorf("%s %s is at generation %d, want %d: its spec was changed", child.GetKind(), child.GetName(), got, generations[i])
		}
	}
}

// registered waits until the custom metrics API is this operator's.
func registered(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		for _, object := range registrations() {
			if err := env.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
		}
		return nil
	})
}

func registrations() []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, version := range []string{"v1beta1", "v1beta2"} {
		object := &unstructured.Unstructured{}
		object.SetAPIVersion("apiregistration.k8s.io/v1")
		object.SetKind("APIService")
		object.SetName(version + ".custom.metrics.k8s.io")
		all = append(all, object)
	}
	return all
}

// leaveNothing removes what an operator or a test made and what no garbage collector
// takes, so that another one makes it anew.
func leaveNothing(t *testing.T, namespaces ...string) {
	ctx := context.WithoutCancel(t.Context())
	for _, object := range registrations() {
		if err := env.Client.Delete(ctx, object); err != nil {
			t.Error(err)
		}
	}
	secrets := []string{operatorNamespace + "/ragservice-metrics-api"}
	for _, namespace := range namespaces {
		if err := env.Client.DeleteAllOf(ctx, &v1alpha1.RAGService{}, client.InNamespace(namespace)); err != nil {
			t.Error(err)
		}
		if err := env.CollectGarbage(ctx, namespace); err != nil {
			t.Error(err)
		}
		secrets = append(secrets, namespace+"/openai")
		handbook := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "handbook"}}
		if err := client.IgnoreNotFound(env.Client.Delete(ctx, handbook)); err != nil {
			t.Error(err)
		}
	}
	for _, id := range secrets {
		namespace, name, _ := strings.Cut(id, "/")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		if err := client.IgnoreNotFound(env.Client.Delete(ctx, secret)); err != nil {
			t.Error(err)
		}
	}
	lease := &unstructured.Unstructured{}
	lease.SetAPIVersion("coordination.k8s.io/v1")
	lease.SetKind("Lease")
	lease.SetNamespace(operatorNamespace)
	lease.SetName("operator.rag.ragops.dev")
	if err := env.Client.Delete(ctx, lease); err != nil {
		t.Error(err)
	}
}

// mayRead asks for the metrics as different callers do.
func mayRead(t *testing.T, port int) {
	t.Helper()
	tests := []struct {
		name, token string
		want        int
		wantBody    string
	}{
		{"with no token", "", http.StatusUnauthorized, "Unauthorized"},
		{"with a token that nobody knows", "garbage", http.StatusUnauthorized, "Unauthorized"},
		{"as somebody who may not", token(t, "stranger"), http.StatusForbidden, "ragservice-system:stranger may not get /metrics"},
		{"as somebody with the shipped role", token(t, "reader", "ragservice-operator-metrics-reader"), http.StatusOK, "controller_runtime_reconcile_total"},
	}
	// The certificate is the operator's own, made at its start.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	for _, tt := range tests {
		t.Run("metrics "+tt.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", port), nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				request.Header.Set("Authorization", "Bearer "+tt.token)
			}
			response, err := (&http.Client{Transport: transport}).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.want || !strings.Contains(string(body), tt.wantBody) {
				t.Errorf("got %s: %s, want %d and %q", response.Status, body, tt.want, tt.wantBody)
			}
		})
	}
}

// token makes a ServiceAccount with some ClusterRoles, until the test ends.
func token(t *testing.T, name string, roles ...string) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: name}}
	objects := []client.Object{account}
	for _, role := range roles {
		objects = append(objects, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: name}},
		})
	}
	for _, object := range objects {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := env.Client.Delete(context.WithoutCancel(t.Context()), object); err != nil {
				t.Error(err)
			}
		})
	}
	request := &authenticationv1.TokenRequest{}
	if err := env.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
