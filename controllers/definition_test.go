package controllers_test

import (
	"context"
	"fmt"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestDefinitionUpgraded gives the cluster the definition of a later version while an
// operator runs: other descriptions, a new field, a new field with a default. Nothing
// is written because of it, the operator goes on, and what it does not know of a
// service stays.
func TestDefinitionUpgraded(t *testing.T) {
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedRedis)
	create(t, operator, service)
	env.Roll(t, namespace, "support")
	env.RollRedis(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	settle(t, operator)
	before := versions(t, service)
	operator.Requests.Reset()

	upgradeDefinition(t, func(spec map[string]any) {
		spec["description"] = "What a later version says of it."
		properties := spec["properties"].(map[string]any)
		properties["later"] = map[string]any{"type": "string"}
		properties["lately"] = map[string]any{"type": "string", "default": "soon"}
	})
	stored := testkit.Object(v1alpha1.SchemeGroupVersion.WithKind("RAGService"), namespace, "support")
	specSays(t, stored, "lately", "soon")
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("the new definition made the operator write %v, want nothing", writes)
	}
	if after := versions(t, service); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the new definition changed objects\nfrom %v\n  to %v", before, after)
	}

	// It goes on with services of before, which may now say more than it knows.
	patch(t, stored, `{"spec":{"later":"unknown to this operator","scaling":{"minReplicas":3,"maxReplicas":3}}}`)
	looked(t, service)
	env.Roll(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	specSays(t, stored, "later", "unknown to this operator")

	// And with new ones.
	fresh := testkit.Service(namespace, "fresh")
	create(t, operator, fresh)
	env.Roll(t, namespace, "fresh")
	env.Condition(t, fresh, v1alpha1.ConditionReady, metav1.ConditionTrue)
	operator.Requests.Reset()
	touch(t, service)
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("a second look wrote %v, want nothing", writes)
	}
}

// upgradeDefinition changes the schema of a RAGService's spec until the test ends.
func upgradeDefinition(t *testing.T, change func(spec map[string]any)) {
	t.Helper()
	kind := apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")
	write := func(ctx context.Context, change func(*unstructured.Unstructured)) {
		testkit.Eventually(t, func(context.Context) error {
			definition := testkit.Object(kind, "", "ragservices.rag.ragops.dev")
			if err := env.Client.Get(ctx, client.ObjectKeyFromObject(definition), definition); err != nil {
				return err
			}
			change(definition)
			return env.Client.Update(ctx, definition)
		})
	}
	var original any
	write(t.Context(), func(definition *unstructured.Unstructured) {
		original = definition.DeepCopy().Object["spec"]
		version := definition.Object["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
		schema := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
		change(schema["properties"].(map[string]any)["spec"].(map[string]any))
	})
	t.Cleanup(func() {
		definition := testkit.Object(kind, "", "ragservices.rag.ragops.dev")
		ctx := context.WithoutCancel(t.Context())
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(definition), definition); err != nil {
			t.Fatal(err)
		}
		definition.Object["spec"] = original
		if err := env.Client.Update(ctx, definition); err != nil {
			t.Fatal(err)
		}
	})
}

// specSays waits until the API server shows a value in the spec.
func specSays(t *testing.T, object *unstructured.Unstructured, field, want string) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		if got, _, _ := unstructured.NestedString(object.Object, "spec", field); got != want {
			return fmt.Errorf("spec.%s is %q, want %q", field, got, want)
		}
		return nil
	})
}

// versions are the resource versions of a service and what runs for it.
func versions(t *testing.T, service *v1alpha1.RAGService) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, object := range []*unstructured.Unstructured{
		testkit.Object(v1alpha1.SchemeGroupVersion.WithKind("RAGService"), service.Namespace, service.Name),
		testkit.Object(build.DeploymentKind, service.Namespace, service.Name),
		testkit.Object(build.StatefulSetKind, service.Namespace, service.Name+"-redis"),
		testkit.Object(build.ServiceKind, service.Namespace, service.Name),
	} {
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			t.Fatal(err)
		}
		all[object.GetKind()+"/"+object.GetName()] = object.GetResourceVersion()
	}
	return all
}
