package gitops

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// manager is the field owner of what Argo CD applies.
const manager = "argocd-controller"

// syncs are Argo CD's ways to apply, each with its ways to compare: the first one of
// each is its default.
var syncs = []struct {
	name string
	// apply are the arguments of the kubectl that does the same.
	apply []string
	diffs []way
}{
	{"with ServerSideApply=true", []string{"--server-side", "--force-conflicts"}, []way{structuredMerge, serverSide}},
	{"client-side", nil, []way{threeWay, serverSide}},
}

// way is one of Argo CD's ways to compare.
type way struct {
	name    string
	options []diff.Option
}

var (
	threeWay        = way{"three-way diff", nil}
	structuredMerge = way{"structured-merge diff", []diff.Option{diff.WithStructuredMergeDiff(true)}}
	serverSide      = way{"server-side diff", []diff.Option{diff.WithServerSideDiff(true)}}
)

// TestDrift syncs what users keep in a repository, lets the operator do its work, and
// compares as Argo CD does: nothing differs. What is committed and not synced does, and
// so does what somebody changes by hand, in a field that the repository names.
func TestDrift(t *testing.T) {
	install, services := kustomize(t, "default-with-metrics-api"), samples(t)
	for _, sync := range syncs {
		t.Run(sync.name, func(t *testing.T) {
			s := start(t)
			s.apply(t, install, sync.apply...)
			s.served(t)
			s.apply(t, services, sync.apply...)
			s.operate(t, services)
			parser := s.parser(t)
			for _, way := range sync.diffs {
				t.Run(way.name, func(t *testing.T) {
					c := &comparison{server: s, options: append([]diff.Option{
						diff.WithManager(manager), diff.WithGVKParser(parser), diff.WithServerSideDryRunner(s), diff.WithLogr(logr.Discard()),
					}, way.options...)}
					for _, object := range append(install, services...) {
						c.same(t, object)
					}
					c.tellsChanges(t, services)
				})
			}
		})
	}
}

// comparison asks Argo CD's engine, in one of its ways.
type comparison struct {
	server  *server
	options []diff.Option
}

func (c *comparison) diff(t *testing.T, object *unstructured.Unstructured) *diff.DiffResult {
	t.Helper()
	result, err := diff.Diff(object.DeepCopy(), c.server.live(t, object), c.options...)
	if err != nil {
		t.Fatalf("compare %s: %v", id(object), err)
	}
	return result
}

func (c *comparison) same(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	result := c.diff(t, object)
	if !result.Modified {
		return
	}
	t.Errorf("%s differs (-live +after a sync):\n%s", id(object), cmp.Diff(fields(t, result.NormalizedLive), fields(t, result.PredictedLive)))
}

// fields are those of an object that somebody may care for.
func fields(t *testing.T, content []byte) map[string]any {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	object.SetManagedFields(nil)
	return object.Object
}

// tellsChanges changes services on either side, and leaves them as they were.
func (c *comparison) tellsChanges(t *testing.T, services []*unstructured.Unstructured) {
	t.Helper()
	for _, service := range services {
		if service.GetKind() != "RAGService" {
			continue
		}
		committed := service.DeepCopy()
		if err := unstructured.SetNestedField(committed.Object, true, "spec", "suspend"); err != nil {
			t.Fatal(err)
		}
		if !c.diff(t, committed).Modified {
			t.Errorf("%s: what is committed and not synced is not seen", id(service))
		}
		c.server.patch(t, service, `{"spec":{"objectives":{"queriesPerSecond":7}}}`)
		_, named, _ := unstructured.NestedFieldNoCopy(service.Object, "spec", "objectives", "queriesPerSecond")
		if got := c.diff(t, service).Modified; got != named {
			t.Errorf("%s was changed by hand, in a field that the repository names: %t. Argo CD sees it: %t", id(service), named, got)
		}
		back, _, _ := unstructured.NestedInt64(service.Object, "spec", "objectives", "queriesPerSecond")
		if !named {
			back = 100 // the default
		}
		patch, err := json.Marshal(map[string]any{"spec": map[string]any{"objectives": map[string]any{"queriesPerSecond": back}}})
		if err != nil {
			t.Fatal(err)
		}
		c.server.patch(t, service, string(patch))
		c.same(t, service)
	}
}

// TestApplication reads the example: it asks for ways to sync and to compare that
// TestDrift goes through.
func TestApplication(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "config", "argocd", "application.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var example struct {
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			SyncPolicy struct {
				SyncOptions []string `json:"syncOptions"`
			} `json:"syncPolicy"`
			IgnoreDifferences []any `json:"ignoreDifferences"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &example); err != nil {
		t.Fatal(err)
	}
	if got, want := example.Annotations["argocd.argoproj.io/compare-options"], "ServerSideDiff=true"; got != want {
		t.Errorf("it compares with %q, want %q", got, want)
	}
	if diff := cmp.Diff([]string{"CreateNamespace=true", "ServerSideApply=true"}, example.Spec.SyncPolicy.SyncOptions); diff != "" {
		t.Errorf("sync options (-want +got):\n%s", diff)
	}
	if len(example.Spec.IgnoreDifferences) > 0 {
		t.Errorf("it ignores %v, and TestDrift nothing", example.Spec.IgnoreDifferences)
	}
}

// patch changes a live object as a person does.
func (s *server) patch(t *testing.T, object *unstructured.Unstructured, patch string) {
	t.Helper()
	live := s.live(t, object)
	if err := s.client.Patch(t.Context(), live, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
}
