package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/ecs"
)

const (
	migratedNamespace = "e2e-migrated"
	migratedName      = "rag-fastapi"
)

// TestMigration moves a service from ECS: the task definition of the FastAPI
// fixture is converted, what it says of the outside is pointed at what stands in
// for it, and what comes out serves beside the old service.
func TestMigration(t *testing.T) {
	newNamespace(t, migratedNamespace)
	outside := newOutside(t, migratedNamespace)
	service, objects := convert(t)
	pointAt(t, service, outside)
	fill(t, service, objects, outside)
	for _, object := range objects {
		configuration := client.ApplyConfigurationFromUnstructured(object)
		if err := cluster.client.Apply(t.Context(), configuration, client.FieldOwner("e2e"), client.ForceOwnership); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
	if err := cluster.client.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	waitReady(t, migratedNamespace, migratedName)
	t.Run("an answer that the old service cached is served", func(t *testing.T) { readsOldAnswers(t, outside) })
	t.Run("the old service finds the answers of the new one", func(t *testing.T) { sharesNewAnswers(t, outside) })
	t.Run("what is known about the user is in the prompt", knowsUsers)
	t.Run("GET /health is answered as before", answersHealth)
}

// convert returns the RAGService that the fixture becomes, and the other objects.
func convert(t *testing.T) (*v1alpha1.RAGService, []*unstructured.Unstructured) {
	t.Helper()
	paths, err := filepath.Glob("../../ragctl/migrate/ecs/testdata/fastapi/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixture: %v", err)
	}
	inputs := ecs.Inputs{Options: ecs.Options{Namespace: migratedNamespace, Secrets: ecs.SecretRefs}}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		inputs.Files = append(inputs.Files, ecs.File{Name: path, Data: data})
	}
	objects, _, err := ecs.Convert(inputs)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "RAGService" })
	if at < 0 {
		t.Fatal("the conversion puts out no RAGService")
	}
	service := &v1alpha1.RAGService{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[at].Object, service); err != nil {
		t.Fatal(err)
	}
	return service, slices.Delete(objects, at, at+1)
}

// pointAt changes what no cluster of one small node can have: addresses, the
// processor and the size.
func pointAt(t *testing.T, service *v1alpha1.RAGService, outside *outside) {
	t.Helper()
	spec := &service.Spec
	if spec.Model.OpenAI == nil || spec.Embedding.TextEmbeddingsInference == nil || spec.VectorStore.Pinecone == nil ||
		spec.UserContext == nil || spec.Cache == nil || spec.Cache.Redis == nil || spec.Cache.Redis.External == nil || !spec.Cache.LegacyKeys {
		t.Fatalf("the conversion found other parts: %+v", spec)
	}
	spec.Model.OpenAI.BaseURL = "http://" + outside.api + ":8080/v1"
	spec.Embedding.TextEmbeddingsInference.Endpoint = "http://" + outside.api + ":8080"
	spec.VectorStore.Pinecone.IndexHost = "http://" + outside.api + ":5081"
	redis := spec.Cache.Redis.External
	if redis.TLS == nil {
		t.Fatal("rediss:// did not become TLS")
	}
	redis.Addresses = []string{outside.redis + ":6379"}
	redis.TLS.CA = &v1alpha1.SecretKey{Name: outside.redis, Key: "ca.crt"}
	spec.Workload.NodeSelector = nil
	spec.Workload.Resources = corev1.ResourceRequirements{}
	spec.Scaling = v1alpha1.Scaling{MinReplicas: 1, MaxReplicas: 1}
}

// fill does what the checklist asks of a person: it puts values into Secrets.
func fill(t *testing.T, service *v1alpha1.RAGService, objects []*unstructured.Unstructured, outside *outside) {
	t.Helper()
	dsn := url.URL{Scheme: "postgres", User: url.UserPassword("app", outside.password), Host: outside.postgres + ":5432", Path: "preferences"}
	for ref, value := range map[v1alpha1.SecretKey]string{
		*service.Spec.Model.OpenAI.APIKey:        outside.apiKey,
		service.Spec.VectorStore.Pinecone.APIKey: outside.apiKey,
		service.Spec.UserContext.Postgres.DSN:    dsn.String(),
	} {
		at := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Secret" && o.GetName() == ref.Name })
		if at < 0 {
			t.Fatalf("the conversion puts out no Secret %s", ref.Name)
		}
		if old, _, _ := unstructured.NestedString(objects[at].Object, "stringData", ref.Key); old != "REPLACE_ME" {
			t.Fatalf("the key %s of the Secret %s is %q, and should wait for a person", ref.Key, ref.Name, old)
		}
		if err := unstructured.SetNestedField(objects[at].Object, value, "stringData", ref.Key); err != nil {
			t.Fatal(err)
		}
	}
}

// readsOldAnswers asks what the old service has answered: its answer comes, from
// its key, and no model is asked.
func readsOldAnswers(t *testing.T, outside *outside) {
	const asked = "Do you ship to islands?"
	const old = `{"query": "Do you ship to islands?", "answer": "Yes, on Tuesdays.", "context": ["Islands are served on Tuesdays."], "timestamp": "2026-01-02T03:04:05.678901+00:00"}`
	if _, err := outside.redisCLI(t.Context(), "SET", "cache:"+asked, old, "EX", "300"); err != nil {
		t.Fatal(err)
	}
	response := mustQuery(t, migratedNamespace, migratedName, asked)
	if from := response.header.Get("X-Cache"); from != "HIT-L2" {
		t.Errorf("X-Cache is %q, want HIT-L2", from)
	}
	var want, got map[string]any
	if err := json.Unmarshal([]byte(old), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(response.body, &got); err != nil {
		t.Fatalf("%v in %s", err, response.body)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the old answer (-cached +got):\n%s", diff)
	}
}

// sharesNewAnswers asks something new: the passage and the question go to the
// model, and the answer to where the old service looks.
func sharesNewAnswers(t *testing.T, outside *outside) {
	const asked = "How long may I keep an article?"
	response := mustQuery(t, migratedNamespace, migratedName, asked)
	if from := response.header.Get("X-Cache"); from != "MISS" {
		t.Errorf("X-Cache is %q, want MISS", from)
	}
	for _, want := range []string{asked, outside.passage} {
		if !strings.Contains(string(response.body), want) {
			t.Errorf("%q is not in the prompt, which the answer repeats: %s", want, response.body)
		}
	}
	eventually(t, 30*time.Second, "the old service finds it", func(ctx context.Context) error {
		value, err := outside.redisCLI(ctx, "GET", "cache:"+asked)
		if err != nil {
			return err
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(value), &fields); err != nil {
			return fmt.Errorf("%w in %q", err, value)
		}
		if diff := cmp.Diff([]string{"answer", "context", "query", "timestamp"}, slices.Sorted(maps.Keys(fields))); diff != "" {
			return fmt.Errorf("its fields (-want +got):\n%s", diff)
		}
		return nil
	})
}

func knowsUsers(t *testing.T) {
	response, err := query(t.Context(), migratedNamespace, migratedName, map[string]string{"query": "What do I like?", "user_id": "u1"})
	if err != nil {
		t.Fatal(err)
	}
	if response.status != 200 || !strings.Contains(string(response.body), "short answers") {
		t.Errorf("the user's preference is not in the prompt, which the answer repeats: status %d, %s", response.status, response.body)
	}
}

func answersHealth(t *testing.T) {
	path := fmt.Sprintf("/api/v1/namespaces/%s/services/http:%s:8080/proxy/health", migratedNamespace, migratedName)
	if output, err := kubectl(t.Context(), "get", "--raw", path); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
