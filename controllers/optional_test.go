package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestOptionalKind installs the CRD of ServiceMonitors under a running operator,
// takes it away and brings it back: the operator follows, and nothing else is
// disturbed.
func TestOptionalKind(t *testing.T) {
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithServiceMonitor)
	create(t, operator, service)
	env.Roll(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	missing := env.Condition(t, service, v1alpha1.ConditionMonitoringConfigured, metav1.ConditionFalse)
	if missing.Reason != v1alpha1.ReasonCRDNotInstalled {
		t.Errorf("MonitoringConfigured says %s, want CRDNotInstalled", missing.Reason)
	}

	for range 2 {
		options := envtest.CRDInstallOptions{Paths: []string{"testdata/crds/servicemonitors.yaml"}}
		if _, err := envtest.InstallCRDs(env.Config, options); err != nil {
			t.Fatal(err)
		}
		env.Condition(t, service, v1alpha1.ConditionMonitoringConfigured, metav1.ConditionTrue)
		monitor := testkit.Object(build.ServiceMonitorKind, namespace, "support")
		patchSoon(t, monitor, `{"spec":{"endpoints":[{"port":"elsewhere"}]}}`)
		testkit.Eventually(t, func(ctx context.Context) error {
			if err := env.Client.Get(ctx, client.ObjectKeyFromObject(monitor), monitor); err != nil {
				return err
			}
			const want = "map[endpoints:[map[interval:15s path:/metrics port:admin]] selector:map[matchLabels:map[app.kubernetes.io/component:runtime app.kubernetes.io/instance:support app.kubernetes.io/name:ragservice]]]"
			if got := fmt.Sprint(monitor.Object["spec"]); got != want {
				return fmt.Errorf("the drift is not repaired: %s", got)
			}
			return nil
		})
		settle(t, operator)
		operator.Requests.Reset()
		touch(t, service)
		settle(t, operator)
		if writes := operator.Requests.Writes(); len(writes) > 0 {
			t.Errorf("a second pass wrote %v, want nothing", writes)
		}
		if err := envtest.UninstallCRDs(env.Config, options); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func(ctx context.Context) error {
			kind := apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")
			definition := testkit.Object(kind, "", "servicemonitors.monitoring.coreos.com")
			err := env.Client.Get(ctx, client.ObjectKeyFromObject(definition), definition)
			if !apierrors.IsNotFound(err) {
				return fmt.Errorf("the CRD is still there: %w", err)
			}
			return nil
		})
		env.Condition(t, service, v1alpha1.ConditionMonitoringConfigured, metav1.ConditionFalse)
	}
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// TestOptionalKindGoesAtStart lets an operator start while the definition of
// ServiceMonitors goes away: discovery still names the kind, and it can be listed no
// more. Whoever waits for it waits in vain, and looks again before long.
func TestOptionalKindGoesAtStart(t *testing.T) {
	options := envtest.CRDInstallOptions{Paths: []string{"testdata/crds/servicemonitors.yaml"}}
	if _, err := envtest.InstallCRDs(env.Config, options); err != nil {
		t.Fatal(err)
	}
	namespace := env.Namespace(t)
	listed := make(chan struct{})
	list := sync.OnceFunc(func() { close(listed) })
	config := rest.CopyConfig(env.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if strings.HasSuffix(request.URL.Path, "/servicemonitors") {
				list()
				return testkit.Respond(request, apierrors.NewNotFound(schema.GroupResource{Resource: "servicemonitors"}, ""))
			}
			return next.RoundTrip(request)
		})
	})
	env.OperateAs(t, config, namespace, func(o *controllers.Options) { o.ReconciliationTimeout = time.Second })
	<-listed
	service := testkit.Service(namespace, "support", testkit.WithServiceMonitor)
	if err := env.Client.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, passUnderWay) // it asks nothing of the API server until it has read that kind
	if err := envtest.UninstallCRDs(env.Config, options); err != nil {
		t.Fatal(err)
	}
	missing := env.Condition(t, service, v1alpha1.ConditionMonitoringConfigured, metav1.ConditionFalse)
	if missing.Reason != v1alpha1.ReasonCRDNotInstalled {
		t.Errorf("MonitoringConfigured says %s, want CRDNotInstalled", missing.Reason)
	}
	env.Roll(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// passUnderWay is nil while a pass over a service lasts.
func passUnderWay(context.Context) error {
	families, err := metrics.Registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		if family.GetName() != "controller_runtime_active_workers" {
			continue
		}
		for _, m := range family.GetMetric() {
			if m.GetGauge().GetValue() > 0 {
				return nil
			}
		}
	}
	return errors.New("no service is looked at")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// TestMonitorSwitchedOff checks that a ServiceMonitor does not outlive the wish for
// it.
func TestMonitorSwitchedOff(t *testing.T) {
	options := envtest.CRDInstallOptions{Paths: []string{"testdata/crds/servicemonitors.yaml"}}
	if _, err := envtest.InstallCRDs(env.Config, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := envtest.UninstallCRDs(env.Config, options); err != nil {
			t.Error(err)
		}
	})
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithServiceMonitor)
	create(t, operator, service)
	monitor := testkit.Object(build.ServiceMonitorKind, namespace, "support")
	testkit.Eventually(t, func(ctx context.Context) error {
		return env.Client.Get(ctx, client.ObjectKeyFromObject(monitor), monitor)
	})
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Monitoring.ServiceMonitor = nil })
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(monitor), monitor); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the ServiceMonitor is still there: %w", err)
		}
		return nil
	})
}

// patchSoon patches an object once it exists.
func patchSoon(t *testing.T, object client.Object, document string) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		return env.Client.Patch(ctx, object, client.RawPatch("application/merge-patch+json", []byte(document)))
	})
}
