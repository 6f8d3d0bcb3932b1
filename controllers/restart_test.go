package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestAPIServerRestarts stops the API server under an operator, once in order and
// once with a kill, each time while a service is being made. The operator goes on
// without a restart of its own, writes nothing to a service that is as it should be,
// and repairs what changes afterwards. There is no lease: one that cannot be renewed
// for 10 s ends its holder, which is started again, and a slow machine takes longer
// to start an API server.
func TestAPIServerRestarts(t *testing.T) {
	own := testkit.Own(t)
	shared := env
	env = own // for the helpers
	t.Cleanup(func() { env = shared })
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	steady := testkit.Service(namespace, "steady", testkit.WithManagedRedis)
	create(t, operator, steady)
	env.Roll(t, namespace, "steady")
	env.RollRedis(t, namespace, "steady")
	env.Condition(t, steady, v1alpha1.ConditionReady, metav1.ConditionTrue)
	settle(t, operator)
	before := versions(t, steady)
	operator.Requests.Reset()

	for i, kill := range []bool{false, true} {
		interrupted := testkit.Service(namespace, fmt.Sprintf("interrupted-%d", i), testkit.WithManagedRedis)
		if err := env.Client.Create(t.Context(), interrupted); err != nil {
			t.Fatal(err)
		}
		env.Restart(t, kill)
		testkit.Eventually(t, func(ctx context.Context) error { return complete(ctx, interrupted) })
		looked(t, interrupted)
		settle(t, operator)
		for _, write := range operator.Requests.Writes() {
			if strings.Contains(write, "/steady") {
				t.Errorf("a restart (killed: %t) made the operator write %q, want nothing there", kill, write)
			}
		}
		if after := versions(t, steady); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("a restart (killed: %t) changed objects\nfrom %v\n  to %v", kill, before, after)
		}
		// Its watches are alive: of services, of children, of what is referred to.
		change(t, interrupted, func(s *v1alpha1.RAGServiceSpec) { s.VectorStore.TopK = 9 })
		looked(t, interrupted)
		service := testkit.Object(build.ServiceKind, namespace, interrupted.Name)
		if err := env.Client.Delete(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func(ctx context.Context) error {
			return env.Client.Get(ctx, client.ObjectKeyFromObject(service), service)
		})
		secret := testkit.Object(build.SecretKind, namespace, interrupted.Name+"-redis")
		if err := env.Client.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func(ctx context.Context) error {
			return env.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
		})
		settle(t, operator)
		operator.Requests.Reset()
	}
	if operator.Ended() {
		t.Error("the operator ended")
	}
}
