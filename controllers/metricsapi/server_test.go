package metricsapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/testkit"
	"ragops.dev/ragservice/controllers/metricsapi"
)

var env *testkit.Environment

func TestMain(m *testing.M) { testkit.Main(m, &env) }

const (
	namespace = "ragservice-system"
	service   = "ragservice-operator-metrics-api"
)

// TestServer runs an operator with the API against a real API server: it registers
// itself, serves with the certificate it registered, answers who may ask and
// nobody else, and does not fight another owner of the API.
func TestServer(t *testing.T) {
	if err := env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	env.Operate(t, namespace, func(o *controllers.Options) {
		o.MetricsAPIPort, o.MetricsAPIService, o.Kubeconfig = port, service, env.Kubeconfig(t)
	})

	var secret corev1.Secret
	testkit.Eventually(t, func(ctx context.Context) error {
		return env.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: metricsapi.SecretName}, &secret)
	})
	testkit.Eventually(t, func(ctx context.Context) error {
		for _, version := range []string{"v1beta1", "v1beta2"} {
			registration, err := registrationOf(ctx, version)
			if err != nil {
				return err
			}
			name, _, _ := unstructured.NestedString(registration.Object, "spec", "service", "name")
			if bundle, _, _ := unstructured.NestedString(registration.Object, "spec", "caBundle"); name != service || bundle == "" {
				return fmt.Errorf("%s leads to %q with the bundle %q", version, name, bundle)
			}
		}
		return nil
	})

	token := tokenThatMayAsk(t)
	var body string
	testkit.Eventually(t, func(ctx context.Context) (err error) {
		body, err = get(ctx, port, secret.Data["ca.crt"], token, http.StatusOK)
		return err
	})
	for _, metric := range []string{"pods/rag_queries_per_second", "pods/rag_queries_in_flight", "pods/rag_p95_latency_seconds"} {
		if !strings.Contains(body, metric) {
			t.Errorf("discovery lacks %s:\n%s", metric, body)
		}
	}
	if _, err := get(t.Context(), port, secret.Data["ca.crt"], "", http.StatusForbidden); err != nil {
		t.Errorf("without a token: %v", err)
	}
}

func TestAnotherOwnerIsLeftInPlace(t *testing.T) {
	foreign := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": "v1beta1.custom.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "custom.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"insecureSkipTLSVerify": true, "service": map[string]any{"namespace": "monitoring", "name": "prometheus-adapter"},
		},
	}}
	for _, version := range []string{"v1beta1", "v1beta2"} {
		ours := foreign.DeepCopy()
		ours.SetName(version + ".custom.metrics.k8s.io")
		if err := client.IgnoreNotFound(env.Client.Delete(t.Context(), ours)); err != nil {
			t.Fatal(err)
		}
	}
	if err := env.Client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	own := env.Namespace(t)
	operator := env.Operate(t, own, func(o *controllers.Options) {
		o.Namespace = own
		o.MetricsAPIPort, o.MetricsAPIService, o.Kubeconfig = freePort(t), service, env.Kubeconfig(t)
	})
	testkit.Eventually(t, func(ctx context.Context) error {
		var events unstructured.UnstructuredList
		events.SetGroupVersionKind(schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "EventList"})
		if err := env.Client.List(ctx, &events); err != nil {
			return err
		}
		for _, event := range events.Items {
			if event.Object["reason"] == "MetricsAPIOwnedByAnother" && strings.Contains(fmt.Sprint(event.Object["note"]), "monitoring/prometheus-adapter") {
				return nil
			}
		}
		return errors.New("no event says that another service has the API")
	})
	operator.Stop()
	registration, err := registrationOf(t.Context(), "v1beta1")
	if err != nil {
		t.Fatal(err)
	}
	if name, _, _ := unstructured.NestedString(registration.Object, "spec", "service", "name"); name != "prometheus-adapter" {
		t.Errorf("the registration now leads to %q, want the owner it had", name)
	}
	if _, err := registrationOf(t.Context(), "v1beta2"); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("v1beta2 was registered beside another owner's v1beta1: %v", err)
	}
}

func registrationOf(ctx context.Context, version string) (*unstructured.Unstructured, error) {
	registration := &unstructured.Unstructured{}
	registration.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	return registration, env.Client.Get(ctx, client.ObjectKey{Name: version + ".custom.metrics.k8s.io"}, registration)
}

// tokenThatMayAsk is that of a ServiceAccount with the right to read the API.
func tokenThatMayAsk(t *testing.T) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"}}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics-reader"},
		Rules:      []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/apis/custom.metrics.k8s.io/*"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account.Name}},
	}
	for _, object := range []client.Object{account, role, binding} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	request := &authenticationv1.TokenRequest{}
	if err := env.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// get asks for the API's discovery as the API server would: under the name of the
// service, trusting what the registration trusts.
func get(ctx context.Context, port int, authorities []byte, token string, want int) (string, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: service + "." + namespace + ".svc"}}
	defer transport.CloseIdleConnections()
	url := "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/apis/custom.metrics.k8s.io/v1beta2"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != want {
		return "", fmt.Errorf("status %s, want %d: %s", response.Status, want, body)
	}
	return string(body), nil
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
