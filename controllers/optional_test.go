package controllers_test

import (
	"context"
	"fmt"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"ragops.dev/ragservice/api/v1alpha1"
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
