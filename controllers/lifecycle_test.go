package controllers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// create makes a service and waits until the operator has settled.
func create(t *testing.T, operator *testkit.Operator, service *v1alpha1.RAGService) {
	t.Helper()
	if err := env.Client.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	looked(t, service)
	settle(t, operator)
}

// looked waits until the newest generation was looked at.
func looked(t *testing.T, service *v1alpha1.RAGService) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		s := &v1alpha1.RAGService{}
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), s); err != nil {
			return err
		}
		if s.Status.ObservedGeneration != s.Generation {
			return fmt.Errorf("generation %d is not looked at yet", s.Generation)
		}
		return nil
	})
}

// edit changes the spec of a service.
func edit(t *testing.T, service *v1alpha1.RAGService, change func(*v1alpha1.RAGServiceSpec)) {
	t.Helper()
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		change(&service.Spec)
		return env.Client.Update(ctx, service)
	})
	looked(t, service)
}

func patch(t *testing.T, object client.Object, document string) {
	t.Helper()
	if err := env.Client.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(document))); err != nil {
		t.Fatal(err)
	}
}

func children(t *testing.T, service *v1alpha1.RAGService) []string {
	t.Helper()
	names, err := env.Children(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestLife follows a service with the longest name there may be, from its creation
// to a smaller spec: what is switched off is deleted.
func TestLife(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	name := strings.Repeat("n", 46)
	service := testkit.Service(namespace, name, testkit.WithManagedRedis)
	create(t, operator, service)

	config := "ConfigMap/" + name + "-config-" + configHash(t, service)
	want := []string{
		config, "Deployment/" + name, "HorizontalPodAutoscaler/" + name, "NetworkPolicy/" + name, "NetworkPolicy/" + name + "-redis",
		"PodDisruptionBudget/" + name, "Secret/" + name + "-redis", "Service/" + name, "Service/" + name + "-redis",
		"ServiceAccount/" + name, "StatefulSet/" + name + "-redis",
	}
	if diff := cmp.Diff(want, children(t, service)); diff != "" {
		t.Errorf("children differ (-want +got):\n%s", diff)
	}

	env.Roll(t, namespace, name)
	env.RollRedis(t, namespace, name)
	ready := env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)
	if want := "answers at http://" + name + "." + namespace + ".svc:8080"; ready.Message != want {
		t.Errorf("Ready says %q, want %q", ready.Message, want)
	}

	edit(t, service, func(s *v1alpha1.RAGServiceSpec) {
		s.Cache = nil
		s.Scaling = v1alpha1.Scaling{MinReplicas: 1, MaxReplicas: 1}
		s.Workload.NetworkPolicy = v1alpha1.NetworkPolicyNone
		s.Workload.ServiceAccount.Name = "default"
	})
	settle(t, operator)
	got := slices.DeleteFunc(children(t, service), func(name string) bool { return strings.HasPrefix(name, "ConfigMap/") })
	if diff := cmp.Diff([]string{"Deployment/" + name, "Service/" + name}, got); diff != "" {
		t.Errorf("children after switching off differ (-want +got):\n%s", diff)
	}
}

func configHash(t *testing.T, service *v1alpha1.RAGService) string {
	t.Helper()
	s := &v1alpha1.RAGService{}
	if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(service), s); err != nil {
		t.Fatal(err)
	}
	content, err := build.Configuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return content.Hash
}

// TestPasswordStays checks that no reconcile rotates the password of a managed
// Redis, and that a Secret that is deleted comes back and restarts the Redis.
func TestPasswordStays(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedRedis)
	create(t, operator, service)
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: namespace, Name: "support-redis"}
	if err := env.Client.Get(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	password := string(secret.Data["password"])
	if len(password) < 20 || string(secret.Data["redis.conf"]) != "requirepass "+password+"\n" {
		t.Fatalf("the Secret holds %d characters and %d of configuration, want a password and a configuration that sets it", len(password), len(secret.Data["redis.conf"]))
	}
	started := redisAnnotation(t, namespace)

	operator.Stop()
	second := env.Operate(t, namespace, nil)
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Cache.Redis.PoolSize = 30 })
	settle(t, second)
	if err := env.Client.Get(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	if string(secret.Data["password"]) != password || redisAnnotation(t, namespace) != started {
		t.Error("the password changed, or the Redis was restarted, though nobody asked for it")
	}

	if err := env.Client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, key, secret); err != nil {
			return err
		}
		if redisAnnotation(t, namespace) == started {
			return fmt.Errorf("the Redis still runs with the password of before")
		}
		return nil
	})
	if string(secret.Data["password"]) == password {
		t.Error("the new Secret has the old password, which nobody kept")
	}
}

func redisAnnotation(t *testing.T, namespace string) string {
	t.Helper()
	redis := testkit.Object(build.StatefulSetKind, namespace, "support-redis")
	if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(redis), redis); err != nil {
		t.Fatal(err)
	}
	value, _, _ := unstructured.NestedString(redis.Object, "spec", "template", "metadata", "annotations", build.AnnotationPassword)
	if value == "" {
		t.Fatal("the Redis pods do not say which password they run with")
	}
	return value
}

// TestReferences checks that a missing Secret, key or ConfigMap is named, that the
// pods wait for it, and that it is picked up when it appears.
func TestReferences(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithDocuments("handbook"), func(s *v1alpha1.RAGService) {
		s.Spec.Model.ModelProvider = v1alpha1.ModelProvider{OpenAI: &v1alpha1.OpenAIModel{
			Model: "m", OpenAIEndpoint: v1alpha1.OpenAIEndpoint{APIKey: &v1alpha1.SecretKey{Name: "openai", Key: "api-key"}},
		}}
	})
	create(t, operator, service)

	expect := func(want string) {
		t.Helper()
		testkit.Eventually(t, func(ctx context.Context) error {
			stalled := env.Condition(t, service, v1alpha1.ConditionStalled, metav1.ConditionTrue)
			if stalled.Reason != v1alpha1.ReasonReferenceNotFound || stalled.Message != want+": it is picked up as soon as it appears" {
				return fmt.Errorf("Stalled says %s: %s, want %s", stalled.Reason, stalled.Message, want)
			}
			return nil
		})
	}
	expect("spec.model.openAI.apiKey: Secret openai does not exist; spec.vectorStore.memory.documents[0].configMap: ConfigMap handbook does not exist")
	if got := children(t, service); slices.Contains(got, "Deployment/support") || !slices.Contains(got, "Service/support") {
		t.Errorf("children are %v, want a Service and no Deployment", got)
	}

	handbook := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "handbook"}, Data: map[string]string{"a.md": "one"}}
	if err := env.Client.Create(t.Context(), handbook); err != nil {
		t.Fatal(err)
	}
	expect("spec.model.openAI.apiKey: Secret openai does not exist")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "openai"}, Data: map[string][]byte{"apikey": []byte("s3cret")}}
	if err := env.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	expect("spec.model.openAI.apiKey: Secret openai has no key api-key")
	secret.Data["api-key"] = []byte("s3cret")
	if err := env.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	env.Roll(t, namespace, "support")
	env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue)

	// A value that changes is the runtime's to read; documents that change roll the
	// pods, which hold them in memory.
	settle(t, operator)
	deployment := testkit.Object(build.DeploymentKind, namespace, "support")
	generation := func() int64 {
		if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil {
			t.Fatal(err)
		}
		return deployment.GetGeneration()
	}
	before := generation()
	secret.Data["api-key"] = []byte("rotated")
	if err := env.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	settle(t, operator)
	if got := generation(); got != before {
		t.Errorf("a rotated Secret changed the Deployment to generation %d, want %d still", got, before)
	}
	handbook.Data["a.md"] = "two"
	if err := env.Client.Update(t.Context(), handbook); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func(context.Context) error {
		if generation() == before {
			return fmt.Errorf("the Deployment does not know of the new documents")
		}
		return nil
	})
	// One that goes away is said, and the pods that run are left alone.
	if err := env.Client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	expect("spec.model.openAI.apiKey: Secret openai does not exist")
	if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil {
		t.Errorf("the Deployment is gone with the Secret: %v", err)
	}
}

// TestSuspend checks that a suspended service is left alone, drift and edits
// included, until it is resumed.
func TestSuspend(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support")
	create(t, operator, service)
	env.Roll(t, namespace, "support")
	testkit.Eventually(t, func(ctx context.Context) error {
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		service.Spec.Suspend = true
		return env.Client.Update(ctx, service)
	})
	testkit.Eventually(t, func(context.Context) error {
		if c := env.Condition(t, service, v1alpha1.ConditionReady, metav1.ConditionTrue); c.Reason != v1alpha1.ReasonSuspended {
			return fmt.Errorf("Ready says %s, want Suspended", c.Reason)
		}
		return nil
	})
	settle(t, operator)
	operator.Requests.Reset()
	object := testkit.Object(build.ServiceKind, namespace, "support")
	if err := env.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	touch(t, service)
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("a suspended service was written to: %v", writes)
	}
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Suspend = false })
	testkit.Eventually(t, func(ctx context.Context) error {
		return env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	})
}

// TestUpgrade checks that an upgrade of the operator alone restarts nothing, and
// that the service can ask for it.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	first := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support")
	create(t, first, service)
	first.Stop()

	second := env.Operate(t, namespace, func(o *controllers.Options) { o.RuntimeImage = "ragservice-runtime:next" })
	touch(t, service)
	settle(t, second)
	if writes := second.Requests.Writes(); len(writes) > 0 {
		t.Errorf("the upgrade wrote %v, want nothing", writes)
	}
	edit(t, service, func(s *v1alpha1.RAGServiceSpec) { s.Workload.UpgradePolicy = v1alpha1.UpgradeAutomatic })
	testkit.Eventually(t, func(ctx context.Context) error {
		d := testkit.Object(build.DeploymentKind, namespace, "support")
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
			return err
		}
		containers, _, _ := unstructured.NestedSlice(d.Object, "spec", "template", "spec", "containers")
		if image := containers[0].(map[string]any)["image"]; image != "ragservice-runtime:next" {
			return fmt.Errorf("the pods run %s, want ragservice-runtime:next", image)
		}
		return nil
	})
}

// TestDeletionLeavesNoFinalizer checks that nothing holds a deletion up, and that
// each child names the service as its owner, which is all the garbage collector
// needs.
func TestDeletionLeavesNoFinalizer(t *testing.T) {
	t.Parallel()
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	service := testkit.Service(namespace, "support", testkit.WithManagedRedis)
	create(t, operator, service)
	if err := env.Client.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(service), &v1alpha1.RAGService{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the service is still there: %v", err)
	}
	if got := children(t, service); len(got) != 11 {
		t.Errorf("the garbage collector would find %v, want all 11 children", got)
	}
	operator.Requests.Reset()
	settle(t, operator)
	if writes := operator.Requests.Writes(); len(writes) > 0 {
		t.Errorf("the operator wrote %v for a service that is gone", writes)
	}
}

// TestLongestNames makes all the children there are for services with the longest
// name that is admitted: each child can be made, and what Kubernetes makes of its
// name can be, too.
func TestLongestNames(t *testing.T) {
	const (
		longest = 46
		// The StatefulSet's controller labels pods with its name, a dash and a hash
		// of ten characters; a ReplicaSet's shortens names by itself.
		revisionSuffix = 11
	)
	installOptional(t)
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, nil)
	for _, service := range []*v1alpha1.RAGService{
		testkit.Service(namespace, strings.Repeat("e", longest), testkit.WithEverything),
		testkit.Service(namespace, strings.Repeat("r", longest), testkit.WithGateway, byKEDA),
	} {
		create(t, operator, service)
		testkit.Eventually(t, func(ctx context.Context) error { return complete(ctx, service) })
		owned, err := env.Owned(t.Context(), namespace)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range owned {
			name, check := o.Name, validation.IsDNS1123Label
			switch o.Kind {
			case build.StatefulSetKind:
				name += strings.Repeat("x", revisionSuffix)
			case build.ConfigMapKind: // which no label and no address is made of
				check = validation.IsDNS1123Subdomain
			}
			if problems := check(name); len(problems) > 0 {
				t.Errorf("%s %s: %v", o.Kind.Kind, name, problems)
			}
		}
		over := testkit.Service(namespace, service.Name+"x")
		if err := env.Client.Create(t.Context(), over); err == nil || !strings.Contains(err.Error(), "at most 46 characters") {
			t.Errorf("a longer name is refused with %v, want the limit in it", err)
		}
	}
	if name := build.KEDAAutoscalerName(testkit.Service(namespace, strings.Repeat("r", longest))); len(name) > validation.DNS1123LabelMaxLength {
		t.Errorf("KEDA would make an autoscaler called %s, of %d characters", name, len(name))
	}
}
