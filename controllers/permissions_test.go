package controllers_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// TestPermissions runs the operator with what config/rbac/role.yaml grants, bound in
// one namespace only: that is enough for the whole life of a service there, and it
// can read nothing elsewhere.
func TestPermissions(t *testing.T) {
	data, err := os.ReadFile(testkit.Path("config", "rbac", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(data, role); err != nil {
		t.Fatal(err)
	}
	if err := env.Client.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Client.Delete(context.WithoutCancel(t.Context()), role); err != nil {
			t.Error(err)
		}
	})
	namespace, elsewhere := env.Namespace(t), env.Namespace(t)
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "least"}},
	}
	if err := env.Client.Create(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	user := env.User(t, "least")
	operator := env.OperateAs(t, user, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedRedis, func(s *v1alpha1.RAGService) {
		s.Spec.Exposure = &v1alpha1.Exposure{Hosts: []string{"support.example.com"}, Ingress: &v1alpha1.IngressExposure{ClassName: "alb"}}
	})
	create(t, operator, service)
	env.Roll(t, namespace, "support")
	env.RollRedis(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	env.Condition(t, service, v1alpha1.ConditionExposed, metav1.ConditionTrue)
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
		s.Cache, s.Exposure = nil, nil
		s.Scaling = v1alpha1.Scaling{MinReplicas: 3, MaxReplicas: 3}
	})
	testkit.Eventually(t, func(ctx context.Context) error {
		names, err := env.Children(ctx, service)
		for _, gone := range []string{"Ingress/support", "StatefulSet/support-redis", "Secret/support-redis", "HorizontalPodAutoscaler/support"} {
			if slices.Contains(names, gone) {
				return fmt.Errorf("%s is still there", gone)
			}
		}
		return err
	})

	least, err := client.New(user, client.Options{Scheme: env.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	err = least.List(t.Context(), &v1alpha1.RAGServiceList{}, client.InNamespace(elsewhere))
	if !apierrors.IsForbidden(err) {
		t.Errorf("listing services of another namespace says %v, want forbidden", err)
	}
}
