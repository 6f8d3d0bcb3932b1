package controllers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

// failures are the ways in which a call fails. Of a timeout the operator learns
// nothing, though the API server carried the call out.
var failures = []struct {
	name string
	err  error
}{
	{"conflict", apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "a", errors.New("somebody was faster"))},
	{"too many requests", apierrors.NewTooManyRequests("later", 0)},
	{"internal error", apierrors.NewInternalError(errors.New("etcd is tired"))},
	{"timeout", testkit.ErrAnswerLost},
}

// stages are what is asked of each service, one after the other: everything, then
// as little as there is, then to be scaled again, which hands the replicas over.
var stages = []func(*v1alpha1.RAGServiceSpec){
	func(s *v1alpha1.RAGServiceSpec) {
		all := testkit.Service("", "", testkit.WithEverything, testkit.WithReplicas(2, 10))
		*s = all.Spec
	},
	func(s *v1alpha1.RAGServiceSpec) {
		*s = testkit.Service("", "", testkit.WithReplicas(3, 3)).Spec
		s.VectorStore.TopK = 7
		s.Workload.NetworkPolicy = v1alpha1.NetworkPolicyNone
		s.Workload.ServiceAccount.Name = "default"
	},
	func(s *v1alpha1.RAGServiceSpec) {
		s.Scaling = v1alpha1.Scaling{MinReplicas: 2, MaxReplicas: 9}
		s.VectorStore.TopK = 9
	},
}

// serviceNames matches the services of the tests below, which all have names of one
// length, so that none is part of another.
var serviceNames = regexp.MustCompile(`call-[0-9]{4}`)

const cleanName = "call-0000"

// call is something the operator asks in a stage.
type call struct {
	stage int
	what  string
}

// fault is a call of one service that fails once.
type fault struct {
	call
	failure int
	// failed is whether it did.
	failed bool
}

// faults lets calls fail.
type faults struct {
	mu    sync.Mutex
	stage int
	// clean are the calls of the clean run, in their order.
	clean []call
	// planned is what fails, by the name of the service.
	planned map[string]*fault
}

func (f *faults) fail(request *http.Request) error {
	name, what := testkit.Call(request, serviceNames)
	if name == "" || what == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	made := call{f.stage, what}
	if name == cleanName {
		if !slices.Contains(f.clean, made) {
			f.clean = append(f.clean, made)
		}
		return nil
	}
	plan := f.planned[name]
	if plan == nil || plan.failed || plan.call != made {
		return nil
	}
	plan.failed = true
	return failures[plan.failure].err
}

func (f *faults) enter(stage int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stage = stage
}

// TestEveryCallFailsOnce records what the operator asks of the API server in the
// life of one service, and then leads one service for each of these calls and each
// way to fail through the same life, in which that call fails once. In the end, and
// after each stage of it, all of them are as the first one was.
func TestEveryCallFailsOnce(t *testing.T) {
	installOptional(t)
	namespace := env.Namespace(t)
	operator := env.Operate(t, namespace, func(o *controllers.Options) { o.Concurrency = 16 })
	f := &faults{}
	operator.Requests.Fail(f.fail)
	var want []string
	for stage := range stages {
		f.enter(stage)
		live(t, namespace, []string{cleanName}, stage)
		settle(t, operator)
		want = append(want, lookOf(t, namespace)[cleanName])
	}
	if len(f.clean) < 38 {
		t.Fatalf("the clean run made %d different calls, want more: are they recorded right? %v", len(f.clean), f.clean)
	}

	f.planned = map[string]*fault{}
	for _, c := range f.clean {
		for i := range failures {
			f.planned[fmt.Sprintf("call-%04d", 1+len(f.planned))] = &fault{call: c, failure: i}
		}
	}
	t.Logf("%d calls fail in %d ways each", len(f.clean), len(failures))
	names := slices.Sorted(maps.Keys(f.planned))
	for stage := range stages {
		f.enter(stage)
		live(t, namespace, names, stage)
		settle(t, operator) // to look at all of them is much work
		testkit.Eventually(t, func(context.Context) error {
			is := lookOf(t, namespace)
			for _, name := range names {
				if diff := cmp.Diff(want[stage], is[name]); diff != "" {
					plan := f.planned[name]
					return fmt.Errorf("in stage %d, where %q failed by %s in stage %d, it differs from the clean run (-want +got):\n%s",
						stage, plan.what, failures[plan.failure].name, plan.stage, diff)
				}
			}
			return nil
		})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := map[string]int{}
	for _, name := range names {
		plan := f.planned[name]
		if !plan.failed {
			t.Errorf("in stage %d nobody called %q: it did not fail by %s", plan.stage, plan.what, failures[plan.failure].name)
			continue
		}
		failed[failures[plan.failure].name]++
	}
	for _, failure := range failures {
		if failed[failure.name] != len(f.clean) {
			t.Errorf("%d calls failed by %s, want %d", failed[failure.name], failure.name, len(f.clean))
		}
	}
}

// live brings services to a stage of their life.
func live(t *testing.T, namespace string, names []string, stage int) {
	t.Helper()
	var work errgroup.Group
	work.SetLimit(16)
	for _, name := range names {
		work.Go(func() error {
			service := testkit.Service(namespace, name)
			if stage == 0 {
				stages[stage](&service.Spec)
				return env.Client.Create(t.Context(), service)
			}
			return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
				if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(service), service); err != nil {
					return err
				}
				stages[stage](&service.Spec)
				return env.Client.Update(t.Context(), service)
			})
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		looked(t, testkit.Service(namespace, name))
	}
}

// lookOf is what services and their children look like, without what differs from
// one to the next: names, identities, times and what the API server makes up.
func lookOf(t *testing.T, namespace string) map[string]string {
	t.Helper()
	objects := map[string][]string{}
	for _, kind := range append(testkit.Kinds(), v1alpha1.SchemeGroupVersion.WithKind("RAGService")) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := env.Client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			name := serviceNames.FindString(list.Items[i].GetName())
			objects[name] = append(objects[name], lookOfOne(t, &list.Items[i]))
		}
	}
	looks := map[string]string{}
	for name, list := range objects {
		slices.Sort(list)
		looks[name] = strings.Join(list, "\n")
	}
	return looks
}

var (
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	hashes = regexp.MustCompile(`[0-9a-f]{10,16}`)
)

func lookOfOne(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	status := object.Object["status"]
	object.Object = content(object)
	if object.GetKind() == "RAGService" {
		object.Object["status"] = status
	}
	annotations := object.GetAnnotations()
	delete(annotations, apply.Annotation) // depends on the owner's identity
	object.SetAnnotations(annotations)
	var owners []metav1.OwnerReference
	for _, o := range object.GetOwnerReferences() {
		o.UID = ""
		owners = append(owners, o)
	}
	object.SetOwnerReferences(owners)
	data, err := json.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	text := serviceNames.ReplaceAllString(string(data), "NAME")
	text = times.ReplaceAllString(text, "TIME")
	return object.GetKind() + " " + hashes.ReplaceAllString(text, "HASH")
}

// TestEveryFirstCallFailsOnce lets each call fail once by which an operator that
// starts learns of the cluster: it starts all the same, or ends with that error and
// is started again, as a Deployment does.
func TestEveryFirstCallFailsOnce(t *testing.T) {
	installOptional(t)
	for _, failure := range failures {
		t.Run(failure.name, func(t *testing.T) {
			namespace := env.Namespace(t)
			service := testkit.Service(namespace, cleanName, testkit.WithEverything)
			if err := env.Client.Create(t.Context(), service); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			failed := map[string]bool{}
			env.OperateFailing(t, namespace, func(request *http.Request) error {
				name, what := testkit.Call(request, serviceNames)
				mu.Lock()
				defer mu.Unlock()
				if name != "" || what == "" || failed[what] {
					return nil
				}
				failed[what] = true
				return failure.err
			})
			testkit.Eventually(t, func(ctx context.Context) error { return complete(ctx, service) })
			mu.Lock()
			defer mu.Unlock()
			if len(failed) < 20 {
				t.Errorf("only %d calls failed: %v", len(failed), slices.Sorted(maps.Keys(failed)))
			}
		})
	}
}

// TestLookFailsOnce lets the look at a child fail once that the operator does not see any
// more, because it lost its labels. That happens in no life of a service that nobody
// else touches. The Secret is one of those that are looked at in two ways.
func TestLookFailsOnce(t *testing.T) {
	t.Parallel()
	for _, failure := range failures {
		t.Run(failure.name, func(t *testing.T) {
			t.Parallel()
			namespace := env.Namespace(t)
			operator := env.Operate(t, namespace, nil)
			create(t, operator, testkit.Service(namespace, "support", testkit.WithManagedRedis))
			children := []*unstructured.Unstructured{
				testkit.Object(build.SecretKind, namespace, "support-redis"),
				testkit.Object(build.StatefulSetKind, namespace, "support-redis"),
				testkit.Object(build.DeploymentKind, namespace, "support"),
			}
			waiting := map[string]bool{}
			for _, what := range []string{"secrets/support-redis", "statefulsets/support-redis", "deployments/support"} {
				waiting["/namespaces/"+namespace+"/"+what] = true
			}
			var mu sync.Mutex
			operator.Requests.Fail(func(request *http.Request) error {
				mu.Lock()
				defer mu.Unlock()
				for path := range waiting {
					if request.Method == http.MethodGet && strings.HasSuffix(request.URL.Path, path) {
						delete(waiting, path)
						return failure.err
					}
				}
				return nil
			})
			loseLabels(t, children)
			mu.Lock()
			defer mu.Unlock()
			if len(waiting) > 0 {
				t.Errorf("nobody looked, so nothing failed, at %v", slices.Collect(maps.Keys(waiting)))
			}
		})
	}
}
