package metricsapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	certutil "k8s.io/client-go/util/cert"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
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

// TestServer runs two operators with the API against a real API server. They
// register one API under one authority, and each of them answers who may ask, with
// what the pods say, and nobody else.
func TestServer(t *testing.T) {
	if err := env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakeClock(time.Now())
	ports := []int{freePort(t), freePort(t)}
	for _, port := range ports {
		env.Operate(t, namespace, func(o *controllers.Options) {
			o.MetricsAPIPort, o.MetricsAPIService, o.Kubeconfig, o.Clock = port, service, env.Kubeconfig(t), clock
		})
	}
	eventually(t, clock, func(ctx context.Context) error {
		for _, version := range []string{"v1beta1", "v1beta2"} {
			registration, err := registrationOf(ctx, version)
			if err != nil {
				return err
			}
			name, _, _ := unstructured.NestedString(registration.Object, "spec", "service", "name")
			if name != service || len(bundle(registration)) == 0 {
				return fmt.Errorf("%s leads to %q with the bundle %q", version, name, bundle(registration))
			}
		}
		return sameCertificate(ctx, clock, ports)
	})

	asked := runtimePod(t, "127.0.78.1", `{"load": {"queriesInFlight": 7, "queriesPerSecond": 2.5, "p95Seconds": 1.25, "windowSeconds": 60}}`)
	reader := token(t, "reader", rbacv1.PolicyRule{Verbs: []string{"get", "list"}, APIGroups: []string{"custom.metrics.k8s.io"}, Resources: []string{"*"}})
	stranger := token(t, "stranger", rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}})
	values := map[string]string{"rag_queries_in_flight": "7", "rag_queries_per_second": "2500m", "rag_p95_latency_seconds": "1250m"}
	for _, port := range ports {
		for metric, want := range values {
			path := "namespaces/" + namespace + "/pods/*/" + metric + "?labelSelector=app.kubernetes.io/instance=support"
			eventually(t, clock, func(ctx context.Context) error {
				body, err := get(ctx, port, path, reader, http.StatusOK)
				if err == nil && !strings.Contains(body, `"value":"`+want+`"`) {
					return fmt.Errorf("%s: want the value %s in %s", metric, want, body)
				}
				return err
			})
			for _, denied := range []string{"", stranger} {
				if _, err := get(t.Context(), port, path, denied, http.StatusForbidden); err != nil {
					t.Errorf("who may not ask: %v", err)
				}
			}
		}
		body, err := get(t.Context(), port, "", reader, http.StatusOK)
		if err != nil {
			t.Fatal(err)
		}
		for metric := range values {
			if !strings.Contains(body, `"pods/`+metric+`"`) {
				t.Errorf("discovery lacks %s:\n%s", metric, body)
			}
		}
	}
	// The two operators also measure for the status; even so, the pod is asked anew only
	// when an answer is older than a few seconds.
	before, started := asked.Load(), time.Now()
	for range 50 {
		if _, err := get(t.Context(), ports[0], "namespaces/"+namespace+"/pods/*/rag_queries_in_flight", reader, http.StatusOK); err != nil {
			t.Fatal(err)
		}
	}
	if more, most := asked.Load()-before, 2*(1+int64(time.Since(started)/(3*time.Second))); more > most {
		t.Errorf("50 questions within %s asked the pod %d times, want at most %d", time.Since(started), more, most)
	}
	rotate(t, clock, ports)
}

// rotate moves the time to when the certificate is due: the replicas make one new
// authority between them, and at no time do they serve what the registration does not
// trust.
func rotate(t *testing.T, clock *clocktesting.FakeClock, ports []int) {
	t.Helper()
	former, err := served(t.Context(), clock, ports[0])
	if err != nil {
		t.Fatal(err)
	}
	clock.Step(270 * 24 * time.Hour)
	eventually(t, clock, func(ctx context.Context) error {
		for _, port := range ports {
			leaf, err := served(ctx, clock, port)
			if err != nil {
				t.Fatalf("during the rotation a replica is not trusted: %v", err)
			}
			if leaf.Equal(former) {
				return fmt.Errorf("port %d still serves the former certificate", port)
			}
		}
		return sameCertificate(ctx, clock, ports)
	})
	var secret corev1.Secret
	if err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: metricsapi.SecretName}, &secret); err != nil {
		t.Fatal(err)
	}
	authorities, err := certutil.ParseCertsPEM(secret.Data["ca.crt"])
	if err != nil || len(authorities) != 2 {
		t.Errorf("after one rotation there are %d authorities (%v), want the new one and the former", len(authorities), err)
	}
}

// sameCertificate is an error as long as replicas serve different certificates.
func sameCertificate(ctx context.Context, clock *clocktesting.FakeClock, ports []int) error {
	var first *x509.Certificate
	for _, port := range ports {
		leaf, err := served(ctx, clock, port)
		if err != nil {
			return err
		}
		if first == nil {
			first = leaf
		}
		if !leaf.Equal(first) {
			return fmt.Errorf("port %d serves another certificate than port %d", port, ports[0])
		}
	}
	return nil
}

// served is the certificate at a port, if who reads the registration trusts it.
func served(ctx context.Context, clock *clocktesting.FakeClock, port int) (*x509.Certificate, error) {
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is verified below, with what is registered after it was served
	connection, err := dialer.DialContext(ctx, "tcp", address(port))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	chain := connection.(*tls.Conn).ConnectionState().PeerCertificates
	registration, err := registrationOf(ctx, "v1beta2")
	if err != nil {
		return nil, err
	}
	options := x509.VerifyOptions{
		DNSName: service + "." + namespace + ".svc", CurrentTime: clock.Now(), Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
	}
	options.Roots.AppendCertsFromPEM(bundle(registration))
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err = chain[0].Verify(options)
	return chain[0], err
}

// eventually waits until check finds nothing wrong, and lets the replicas' time pass
// meanwhile.
func eventually(t *testing.T, clock *clocktesting.FakeClock, check func(context.Context) error) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		err := check(ctx)
		if err != nil {
			clock.Step(time.Second)
		}
		return err
	})
}

// TestAnotherOwner has another server own the API: it is left in place, an event and
// the condition of every service that needs the API say so, and when it goes, the
// operator takes over.
func TestAnotherOwner(t *testing.T) {
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
	clock := clocktesting.NewFakeClock(time.Now())
	env.Operate(t, own, func(o *controllers.Options) {
		o.Namespace, o.Clock = own, clock
		o.MetricsAPIPort, o.MetricsAPIService, o.Kubeconfig = freePort(t), service, env.Kubeconfig(t)
	})
	eventually(t, clock, func(ctx context.Context) error {
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
	starved := starvedService(t, own)
	condition := env.Condition(t, starved, v1alpha1.ConditionScalingActive, metav1.ConditionFalse)
	if condition.Reason != v1alpha1.ReasonMetricsAPIOwnedByAnother || !strings.Contains(condition.Message, "belongs to the service monitoring/prometheus-adapter") {
		t.Errorf("ScalingActive says %s: %s, want the owner of the API", condition.Reason, condition.Message)
	}
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

	if err := env.Client.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	eventually(t, clock, func(ctx context.Context) error {
		clock.Step(time.Minute)
		current := &v1alpha1.RAGService{}
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(starved), current); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(current.Status.Conditions, v1alpha1.ConditionScalingActive); c == nil || c.Reason != v1alpha1.ReasonMetricsMissing {
			return fmt.Errorf("ScalingActive is %+v, want that the API is the operator's now", c)
		}
		_, err := registrationOf(ctx, "v1beta1")
		return err
	})
}

// starvedService scales on queries, of which its autoscaler is told nothing.
func starvedService(t *testing.T, namespace string) *v1alpha1.RAGService {
	t.Helper()
	s := testkit.Service(namespace, "starved", testkit.WithReplicas(2, 9), func(s *v1alpha1.RAGService) {
		s.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{CPUPercent: new(int32(80)), QueriesInFlight: new(int32(9))}
	})
	if err := env.Client.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		autoscaler := &autoscalingv2.HorizontalPodAutoscaler{}
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(s), autoscaler); err != nil {
			return err
		}
		autoscaler.Status = autoscalingv2.HorizontalPodAutoscalerStatus{
			CurrentMetrics: []autoscalingv2.MetricStatus{
				{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricStatus{
					Name: corev1.ResourceCPU, Current: autoscalingv2.MetricValueStatus{AverageUtilization: new(int32(30))},
				}},
				{},
			},
			Conditions: []autoscalingv2.HorizontalPodAutoscalerCondition{{Type: autoscalingv2.ScalingActive, Status: corev1.ConditionTrue, Reason: "ValidMetricFound"}},
		}
		return env.Client.Status().Update(ctx, autoscaler)
	})
	return s
}

// runtimePod answers as a pod of the runtime does, at an address of this machine, and
// counts how often it is asked.
func runtimePod(t *testing.T, ip, status string) *atomic.Int64 {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(ip, "9090"))
	if err != nil {
		t.Fatalf("listen where a pod would: %v", err)
	}
	asked := &atomic.Int64{}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, status)
	})}
	go server.Serve(listener) //nolint:errcheck // ends with Close
	t.Cleanup(func() { server.Close() })
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "support-0", Labels: map[string]string{
			"app.kubernetes.io/managed-by": "ragservice-operator", "app.kubernetes.io/instance": "support", "app.kubernetes.io/component": "runtime",
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "runtime", Image: "a"}}},
	}
	if err := env.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}}}
	if err := env.Client.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	return asked
}

func registrationOf(ctx context.Context, version string) (*unstructured.Unstructured, error) {
	registration := &unstructured.Unstructured{}
	registration.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	return registration, env.Client.Get(ctx, client.ObjectKey{Name: version + ".custom.metrics.k8s.io"}, registration)
}

func bundle(registration *unstructured.Unstructured) []byte {
	encoded, _, _ := unstructured.NestedString(registration.Object, "spec", "caBundle")
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil
	}
	return decoded
}

// token is that of a ServiceAccount that may do what the rule says.
func token(t *testing.T, name string, rule rbacv1.PolicyRule) string {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	discovery := rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/apis/custom.metrics.k8s.io/*"}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{rule, discovery}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
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

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// get asks the API as the API server would: under the name of the service, trusting
// what the registration trusts.
func get(ctx context.Context, port int, path, token string, want int) (string, error) {
	registration, err := registrationOf(ctx, "v1beta2")
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle(registration))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: service + "." + namespace + ".svc"}}
	defer transport.CloseIdleConnections()
	url := "https://" + address(port) + "/apis/custom.metrics.k8s.io/v1beta2/" + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/"), nil)
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
