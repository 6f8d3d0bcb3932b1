package controllers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestSteadyState checks that a service that is as it should be costs no write: not
// after it settled, not when all of it is looked at again by another operator.
func TestSteadyState(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedRedis)
	if err := env.Client.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		return env.Client.Get(ctx, client.ObjectKeyFromObject(service), &appsv1.Deployment{})
	})
	settle(t, operator)
	t.Logf("writes to set up: %v", operator.Requests.Writes())

	operator.Stop()
	second := env.Operate(t, namespace, nil)
	touch(t, service)
	settle(t, second)
	if writes := second.Requests.Writes(); len(writes) > 0 {
		t.Errorf("a second look wrote %v, want nothing", writes)
	}
}

// settled is how long an operator that is done writes nothing.
const settled = 2 * time.Second

// settle waits until the operator has written nothing for a while.
func settle(t *testing.T, operator *testkit.Operator) {
	t.Helper()
	testkit.Eventually(t, func(context.Context) error {
		if quiet := operator.Requests.Quiet(); quiet < settled {
			return fmt.Errorf("still writing, %s ago", quiet)
		}
		return nil
	})
}

// touch makes the operator look at a service again without changing it.
func touch(t *testing.T, service client.Object) {
	t.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"test":"touched"}}}`))
	if err := env.Client.Patch(t.Context(), service, patch); err != nil {
		t.Fatal(err)
	}
}
