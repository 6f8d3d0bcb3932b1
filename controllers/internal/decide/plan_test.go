package decide_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/render"
)

const spec = `
apiVersion: rag.ragops.dev/v1alpha1
kind: RAGService
metadata: {name: support, namespace: demo}
spec:
  model: {openAI: {model: gpt-4o-mini, apiKey: {name: openai, key: api-key}}}
  embedding: {lexical: {}}
  vectorStore: {memory: {documents: [{configMap: {name: docs}}]}}
  cache: {redis: {managed: {}}}
  monitoring: {serviceMonitor: {}}
`

// snapshot is that of a service of which nothing exists yet, adjusted by changes.
func snapshot(t *testing.T, changes ...func(*decide.Snapshot)) decide.Snapshot {
	t.Helper()
	service, err := render.Admit(t.Context(), []byte(spec))
	if err != nil {
		t.Fatal(err)
	}
	service.UID, service.Generation = "service", 1
	s := decide.Snapshot{
		Service:      service,
		Objects:      map[decide.Key]decide.Object{},
		Served:       map[schema.GroupVersionKind]bool{build.ServiceMonitorKind: true},
		RuntimeImage: "runtime:v2",
	}
	for _, change := range changes {
		change(&s)
	}
	s.Content, s.ContentError = build.Configuration(s.Service)
	for _, r := range build.References(s.Service) {
		if len(s.References) < len(build.References(s.Service)) {
			s.References = append(s.References, decide.Resolved{Reference: r, Found: true, HasKey: true, Digest: r.Name})
		}
	}
	return s
}

func exists(kind schema.GroupVersionKind, name string, ownership decide.Ownership) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		s.Objects[decide.Key{Kind: kind, Name: name}] = decide.Object{UID: "object", Ownership: ownership}
	}
}

// deployed is a Deployment that runs with some replicas and mounts a configuration.
func deployed(replicas int32, config string, change func(*appsv1.Deployment)) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "support", Generation: 1}}
		d.Spec.Replicas = &replicas
		d.Spec.Template.Labels = map[string]string{build.LabelConfig: config}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas}
		if change != nil {
			change(d)
		}
		s.Deployment = d
		key := decide.Key{Kind: build.DeploymentKind, Name: "support"}
		object := s.Objects[key]
		object.UID = "deployment"
		s.Objects[key] = object
	}
}

func spelled(change func(*v1alpha1.RAGServiceSpec)) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) { change(&s.Service.Spec) }
}

// outcome is what a case looks at of a plan.
type outcome struct {
	Apply, DeleteFirst, Delete []string
	HandOver, InitialReplicas  []string
	Problem                    string
	Waiting                    []string
}

const all = "ServiceAccount/support ConfigMap/support-config-HASH NetworkPolicy/support-redis Service/support-redis StatefulSet/support-redis " +
	"NetworkPolicy/support Service/support PodDisruptionBudget/support Deployment/support HorizontalPodAutoscaler/support ServiceMonitor/support"

func without(names ...string) []string {
	var result []string
	for name := range strings.FieldsSeq(all) {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
			result = append(result, name)
		}
	}
	return result
}

// keda has the service scaled by KEDA.
func keda(s *decide.Snapshot) {
	s.Served[build.ScaledObjectKind] = true
	s.Service.Spec.Scaling.MetricsSource = v1alpha1.MetricsSourceKEDA
	s.Service.Spec.Scaling.KEDA = &v1alpha1.KEDA{ServerAddress: "http://prometheus:9090"}
}

// demand lets the service have no replica.
func demand(s *decide.Snapshot) {
	s.Service.Spec.Scaling.MinReplicas = 0
	s.Service.Spec.Scaling.MetricsSource = v1alpha1.MetricsSourcePrometheus
	s.Service.Spec.Scaling.Demand = &v1alpha1.Demand{Metric: "asked"}
	s.Service.Spec.Scaling.Targets = &v1alpha1.ScalingTargets{QueriesPerSecond: new(int32(50))}
}

// scaledObject is one in a cluster with KEDA.
func scaledObject(ownership decide.Ownership) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		s.Served[build.ScaledObjectKind] = true
		exists(build.ScaledObjectKind, "support", ownership)(s)
	}
}

// kedaAll are all children of a service that KEDA scales.
var kedaAll = append(slices.DeleteFunc(without("HorizontalPodAutoscaler/support"), func(s string) bool { return s == "ServiceMonitor/support" }),
	"ScaledObject/support", "ServiceMonitor/support")

// embedded has the operator serve a model.
func embedded(server *v1alpha1.EmbeddingServer) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		s.Service.Spec.Embedding = v1alpha1.Embedding{TextEmbeddingsInference: &v1alpha1.TextEmbeddingsInference{Model: "BAAI/bge-m3", Server: server}}
		s.Service.Spec.VectorStore = v1alpha1.VectorStore{HTTP: &v1alpha1.HTTPStore{URL: "http://vectors:8000/query"}}
	}
}

// serving is an embedding server that runs with some replicas.
func serving(replicas int32, change func(*appsv1.Deployment)) func(*decide.Snapshot) {
	return func(s *decide.Snapshot) {
		before := s.Deployment
		deployed(replicas, "", change)(s)
		s.Deployment, s.Embedding = before, s.Deployment
		s.Embedding.Name = "support-embedding"
	}
}

// inMemory has the pods hold the documents.
func inMemory(s *decide.Snapshot) {
	s.Service.Spec.VectorStore = v1alpha1.VectorStore{Memory: &v1alpha1.MemoryStore{
		Documents: []v1alpha1.DocumentSource{{ConfigMap: v1alpha1.ConfigMapSource{Name: "docs"}}},
	}}
}

// embeddedAll are all children of a service whose embedding the operator serves.
var embeddedAll = slices.Concat(without()[:5], []string{"NetworkPolicy/support-embedding", "Service/support-embedding",
	"PodDisruptionBudget/support-embedding", "Deployment/support-embedding", "HorizontalPodAutoscaler/support-embedding"}, without()[5:])

func TestDecide(t *testing.T) {
	fixed := spelled(func(s *v1alpha1.RAGServiceSpec) { s.Scaling = v1alpha1.Scaling{MinReplicas: 3, MaxReplicas: 3} })
	tests := []struct {
		name    string
		changes []func(*decide.Snapshot)
		want    outcome
	}{
		{
			name: "a new service gets everything",
			want: outcome{Apply: without()},
		},
		{
			name:    "a new Deployment is brought to the least replicas",
			changes: []func(*decide.Snapshot){deployed(1, "a", nil)},
			want:    outcome{Apply: without(), InitialReplicas: []string{"support to 2"}},
		},
		{
			name:    "one that was changed since is the autoscaler's",
			changes: []func(*decide.Snapshot){deployed(1, "a", func(d *appsv1.Deployment) { d.Generation = 2 })},
			want:    outcome{Apply: without()},
		},
		{
			name:    "one replica at least needs no budget",
			changes: []func(*decide.Snapshot){spelled(func(s *v1alpha1.RAGServiceSpec) { s.Scaling.MinReplicas = 1 })},
			want:    outcome{Apply: without("PodDisruptionBudget/support")},
		},
		{
			name:    "a fixed size has no autoscaler",
			changes: []func(*decide.Snapshot){fixed},
			want:    outcome{Apply: without("HorizontalPodAutoscaler/support")},
		},
		{
			name:    "an autoscaler that is not wanted goes before the Deployment gets a number",
			changes: []func(*decide.Snapshot){fixed, deployed(7, "a", nil), exists(build.AutoscalerKind, "support", decide.Own)},
			want:    outcome{Apply: without("HorizontalPodAutoscaler/support"), DeleteFirst: []string{"HorizontalPodAutoscaler/support"}},
		},
		{
			name: "replicas that the operator owns are handed over as they are",
			changes: []func(*decide.Snapshot){deployed(7, "a", nil), func(s *decide.Snapshot) {
				s.Objects[decide.Key{Kind: build.DeploymentKind, Name: "support"}] = decide.Object{OwnsReplicas: true}
			}},
			want: outcome{Apply: without(), HandOver: []string{"support"}},
		},
		{
			name:    "an embedding server comes ahead of the pods that ask it, and is brought to its least replicas",
			changes: []func(*decide.Snapshot){embedded(nil), serving(1, nil)},
			want:    outcome{Apply: embeddedAll, InitialReplicas: []string{"support-embedding to 2"}},
		},
		{
			name: "its replicas are handed over like those of the runtime",
			changes: []func(*decide.Snapshot){embedded(nil), deployed(7, "a", nil), serving(3, nil), func(s *decide.Snapshot) {
				for _, name := range []string{"support", "support-embedding"} {
					s.Objects[decide.Key{Kind: build.DeploymentKind, Name: name}] = decide.Object{OwnsReplicas: true}
				}
			}},
			want: outcome{Apply: embeddedAll, HandOver: []string{"support", "support-embedding"}},
		},
		{
			name:    "one of a single replica has neither autoscaler nor budget",
			changes: []func(*decide.Snapshot){embedded(&v1alpha1.EmbeddingServer{MinReplicas: new(int32(1)), MaxReplicas: new(int32(1))}), serving(1, nil)},
			want: outcome{Apply: slices.DeleteFunc(slices.Clone(embeddedAll), func(name string) bool {
				return name == "PodDisruptionBudget/support-embedding" || name == "HorizontalPodAutoscaler/support-embedding"
			})},
		},
		{
			name:    "KEDA that holds the runtime leaves the autoscaler of the embedding server alone",
			changes: []func(*decide.Snapshot){embedded(nil), keda, exists(build.AutoscalerKind, "support", decide.Own)},
			want: outcome{
				Apply:       slices.DeleteFunc(slices.Clone(embeddedAll), func(name string) bool { return name == "HorizontalPodAutoscaler/support" }),
				DeleteFirst: []string{"HorizontalPodAutoscaler/support"},
				Waiting:     []string{"the former HorizontalPodAutoscaler support to be gone"},
			},
		},
		{
			name:    "pods that embed their documents when they start wait for the server",
			changes: []func(*decide.Snapshot){embedded(nil), inMemory},
			want:    outcome{Apply: slices.DeleteFunc(slices.Clone(embeddedAll), func(name string) bool { return name == "Deployment/support" })},
		},
		{
			name:    "and come once it is there",
			changes: []func(*decide.Snapshot){embedded(nil), inMemory, serving(2, nil)},
			want:    outcome{Apply: embeddedAll},
		},
		{
			name:    "those that are there stay as declared when it falls short",
			changes: []func(*decide.Snapshot){embedded(nil), inMemory, deployed(2, "a", nil), serving(2, func(d *appsv1.Deployment) { d.Status.AvailableReplicas = 0 })},
			want:    outcome{Apply: embeddedAll},
		},
		{
			name:    "an embedding server that is not wanted goes",
			changes: []func(*decide.Snapshot){exists(build.DeploymentKind, "support-embedding", decide.Own), exists(build.AutoscalerKind, "support-embedding", decide.Own)},
			want:    outcome{Apply: without(), DeleteFirst: []string{"HorizontalPodAutoscaler/support-embedding"}, Delete: []string{"Deployment/support-embedding"}},
		},
		{
			name: "the token of an embedding server that is missing holds up nothing else",
			changes: []func(*decide.Snapshot){embedded(&v1alpha1.EmbeddingServer{Token: &v1alpha1.SecretKey{Name: "hub", Key: "token"}}), func(s *decide.Snapshot) {
				for _, r := range build.References(s.Service) {
					there := r.Component == build.ComponentRuntime
					s.References = append(s.References, decide.Resolved{Reference: r, Found: there, HasKey: there})
				}
			}},
			want: outcome{
				Apply: slices.DeleteFunc(slices.Clone(embeddedAll), func(name string) bool {
					return name == "Deployment/support-embedding" || name == "HorizontalPodAutoscaler/support-embedding"
				}),
				Problem: "ReferenceNotFound: spec.embedding.textEmbeddingsInference.server.token: Secret hub does not exist: it is picked up as soon as it appears",
			},
		},
		{
			name:    "KEDA comes once the operator's autoscaler is gone",
			changes: []func(*decide.Snapshot){keda, deployed(7, "a", nil), exists(build.AutoscalerKind, "support", decide.Own)},
			want: outcome{
				Apply:       without("HorizontalPodAutoscaler/support"),
				DeleteFirst: []string{"HorizontalPodAutoscaler/support"},
				Waiting:     []string{"the former HorizontalPodAutoscaler support to be gone"},
			},
		},
		{
			name:    "KEDA makes the autoscaler",
			changes: []func(*decide.Snapshot){keda, deployed(7, "a", nil), exists(build.AutoscalerKind, "keda-hpa-support", decide.Foreign)},
			want:    outcome{Apply: kedaAll},
		},
		{
			name: "the former autoscaler scales on while the cluster does not know KEDA",
			changes: []func(*decide.Snapshot){keda, deployed(7, "a", nil), exists(build.AutoscalerKind, "support", decide.Own), func(s *decide.Snapshot) {
				delete(s.Served, build.ScaledObjectKind)
			}},
			want: outcome{Apply: without("HorizontalPodAutoscaler/support")},
		},
		{
			name:    "a ScaledObject that is not wanted goes first, and no autoscaler comes before KEDA's is gone",
			changes: []func(*decide.Snapshot){deployed(7, "a", nil), scaledObject(decide.Own), exists(build.AutoscalerKind, "keda-hpa-support", decide.Foreign)},
			want: outcome{
				Apply:       without("HorizontalPodAutoscaler/support"),
				DeleteFirst: []string{"ScaledObject/support"},
				Waiting:     []string{"KEDA to let go of ScaledObject support"},
			},
		},
		{
			name:    "KEDA's autoscaler outlives the ScaledObject for a moment",
			changes: []func(*decide.Snapshot){deployed(7, "a", nil), exists(build.AutoscalerKind, "keda-hpa-support", decide.Foreign)},
			want: outcome{
				Apply:   without("HorizontalPodAutoscaler/support"),
				Waiting: []string{"KEDA's HorizontalPodAutoscaler keda-hpa-support to be gone"},
			},
		},
		{
			name:    "a fixed size waits for KEDA, too",
			changes: []func(*decide.Snapshot){fixed, deployed(7, "a", nil), scaledObject(decide.Leftover)},
			want: outcome{
				Apply:   without("HorizontalPodAutoscaler/support"),
				Waiting: []string{"KEDA to let go of ScaledObject support"},
			},
		},
		{
			name:    "somebody else's ScaledObject is refused",
			changes: []func(*decide.Snapshot){keda, scaledObject(decide.Foreign)},
			want: outcome{Apply: without("HorizontalPodAutoscaler/support"),
				Problem: "NameConflict: ScaledObject support exists and does not belong to this RAGService: delete or rename it, or choose another name for the service"},
		},
		{
			name: "what KEDA has scaled to zero is woken for an autoscaler that would leave it",
			changes: []func(*decide.Snapshot){deployed(0, "a", func(d *appsv1.Deployment) { d.Generation = 5 }),
				exists(build.AutoscalerKind, "support", decide.Own)},
			want: outcome{Apply: without(), InitialReplicas: []string{"support to 2"}},
		},
		{
			name: "what may have no replica and has none is left to its autoscaler",
			changes: []func(*decide.Snapshot){demand, deployed(0, "a", func(d *appsv1.Deployment) { d.Generation = 5 }),
				exists(build.AutoscalerKind, "support", decide.Own)},
			want: outcome{Apply: without("PodDisruptionBudget/support")},
		},
		{
			name:    "and is woken once for a new one, which would not look at it",
			changes: []func(*decide.Snapshot){demand, deployed(0, "a", func(d *appsv1.Deployment) { d.Generation = 5 })},
			want:    outcome{Apply: without("PodDisruptionBudget/support"), InitialReplicas: []string{"support to 1"}},
		},
		{
			name:    "replicas that the autoscaler holds are left alone",
			changes: []func(*decide.Snapshot){deployed(7, "a", nil)},
			want:    outcome{Apply: without()},
		},
		{
			name: "what is switched off is deleted",
			changes: []func(*decide.Snapshot){
				spelled(func(s *v1alpha1.RAGServiceSpec) { s.Cache = nil; s.Monitoring.ServiceMonitor = nil }),
				exists(build.StatefulSetKind, "support-redis", decide.Own), exists(build.SecretKind, "support-redis", decide.Own),
				exists(build.ServiceKind, "support-redis", decide.Own), exists(build.ServiceMonitorKind, "support", decide.Own),
			},
			want: outcome{
				Apply:  without("NetworkPolicy/support-redis", "Service/support-redis", "StatefulSet/support-redis", "ServiceMonitor/support"),
				Delete: []string{"Service/support-redis", "StatefulSet/support-redis", "ServiceMonitor/support", "Secret/support-redis"},
			},
		},
		{
			name: "what is switched off and somebody else's stays",
			changes: []func(*decide.Snapshot){
				spelled(func(s *v1alpha1.RAGServiceSpec) { s.Monitoring.ServiceMonitor = nil }),
				exists(build.ServiceMonitorKind, "support", decide.Foreign),
			},
			want: outcome{Apply: without("ServiceMonitor/support")},
		},
		{
			name:    "a name that somebody else has is refused, the rest goes on",
			changes: []func(*decide.Snapshot){exists(build.ServiceKind, "support", decide.Foreign)},
			want: outcome{Apply: without("Service/support"),
				Problem: "NameConflict: Service support exists and does not belong to this RAGService: delete or rename it, or choose another name for the service"},
		},
		{
			name:    "a Secret of the managed Redis that somebody else has is refused",
			changes: []func(*decide.Snapshot){exists(build.SecretKind, "support-redis", decide.Foreign)},
			want: outcome{Apply: without(),
				Problem: "NameConflict: Secret support-redis exists and does not belong to this RAGService: delete or rename it, or choose another name for the service"},
		},
		{
			name:    "an object that is on its way out is waited for",
			changes: []func(*decide.Snapshot){exists(build.ServiceKind, "support", decide.Leftover)},
			want:    outcome{Apply: without("Service/support"), Waiting: []string{"the former Service support to be gone"}},
		},
		{
			name:    "an orphan is taken back",
			changes: []func(*decide.Snapshot){exists(build.ServiceKind, "support", decide.Orphaned)},
			want:    outcome{Apply: without()},
		},
		{
			name:    "a kind the cluster does not know is left out",
			changes: []func(*decide.Snapshot){func(s *decide.Snapshot) { s.Served = nil }},
			want:    outcome{Apply: without("ServiceMonitor/support")},
		},
		{
			name: "without its Secret a service gets no pods, and all the rest",
			changes: []func(*decide.Snapshot){func(s *decide.Snapshot) {
				references := build.References(s.Service)
				s.References = []decide.Resolved{{Reference: references[0]}, {Reference: references[1], Found: true, HasKey: true}}
			}},
			want: outcome{
				Apply:   without("ConfigMap/support-config-HASH", "Deployment/support", "HorizontalPodAutoscaler/support"),
				Problem: "ReferenceNotFound: spec.model.openAI.apiKey: Secret openai does not exist: it is picked up as soon as it appears",
			},
		},
		{
			name: "a key that is not there is named",
			changes: []func(*decide.Snapshot){func(s *decide.Snapshot) {
				references := build.References(s.Service)
				s.References = []decide.Resolved{{Reference: references[0], Found: true}, {Reference: references[1], Found: true, HasKey: true}}
			}},
			want: outcome{
				Apply:   without("ConfigMap/support-config-HASH", "Deployment/support", "HorizontalPodAutoscaler/support"),
				Problem: "ReferenceNotFound: spec.model.openAI.apiKey: Secret openai has no key api-key: it is picked up as soon as it appears",
			},
		},
		{
			name: "a configuration goes when no ReplicaSet names it any more",
			changes: []func(*decide.Snapshot){deployed(2, "running", nil), func(s *decide.Snapshot) {
				s.Configurations = []string{"support-config-running", "support-config-former", "support-config-old"}
				s.ConfigurationsInUse = map[string]bool{"running": true, "former": true}
			}},
			want: outcome{Apply: without(), Delete: []string{"ConfigMap/support-config-old"}},
		},
		{
			name:    "a suspended service is left as it is",
			changes: []func(*decide.Snapshot){spelled(func(s *v1alpha1.RAGServiceSpec) { s.Suspend = true })},
		},
		{
			name: "pools that the managed Redis cannot take are refused",
			changes: []func(*decide.Snapshot){spelled(func(s *v1alpha1.RAGServiceSpec) {
				s.Cache.Redis.PoolSize, s.Scaling.MaxReplicas = 1000, 100
			})},
			want: outcome{Problem: "InvalidSpec: spec.cache.redis.poolSize: with 1000 connections each, 100 replicas and the surge of a rollout would open 125250 connections, and the managed Redis takes 10000: lower poolSize or scaling.maxReplicas"},
		},
		{
			name: "a local cache larger than the pod is refused",
			changes: []func(*decide.Snapshot){spelled(func(s *v1alpha1.RAGServiceSpec) {
				s.Cache.Local = &v1alpha1.LocalCache{MaxSize: resource.MustParse("512Mi")}
			})},
			want: outcome{Problem: "InvalidSpec: spec.cache.local.maxSize: is 512Mi, more than three quarters of spec.workload.resources.limits.memory (512Mi): lower it or raise the limit"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshot(t, tt.changes...)
			plan := decide.Decide(s)
			got := outcome{
				DeleteFirst: names(plan.DeleteFirst), Delete: names(plan.Delete),
				Waiting: plan.Waiting,
			}
			for _, deployment := range plan.HandOver {
				got.HandOver = append(got.HandOver, deployment.Name)
			}
			for _, initial := range plan.InitialReplicas {
				got.InitialReplicas = append(got.InitialReplicas, fmt.Sprintf("%s to %d", initial.Deployment.Name, initial.Number))
			}
			for _, child := range plan.Apply {
				got.Apply = append(got.Apply, strings.Replace(child.String(), s.Content.Hash, "HASH", 1))
			}
			if len(plan.Problems) > 0 {
				got.Problem = plan.Problems[0].Reason + ": " + plan.Problems[0].Message
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("plan differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMade checks what a plan does about the replicas of a Deployment that it has made,
// of which it knew nothing before.
func TestMade(t *testing.T) {
	tests := []struct {
		name       string
		deployment string
		changes    []func(*decide.Snapshot)
		made       func(*decide.Snapshot)
		want       []string
	}{
		{"the runtime is brought to its least replicas", "support", nil, deployed(1, "a", nil), []string{"support to 2"}},
		{"one replica is enough", "support", []func(*decide.Snapshot){demand}, deployed(1, "a", nil), nil},
		{"a fixed size is in its configuration", "support", []func(*decide.Snapshot){spelled(func(s *v1alpha1.RAGServiceSpec) {
			s.Scaling = v1alpha1.Scaling{MinReplicas: 3, MaxReplicas: 3}
		})}, deployed(3, "a", nil), nil},
		{"an autoscaler was quicker", "support", nil, deployed(4, "a", nil), nil},
		{"the embedding server is brought to its least replicas", "support-embedding", []func(*decide.Snapshot){embedded(nil)}, serving(1, nil), []string{"support-embedding to 2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshot(t, tt.changes...)
			plan := decide.Decide(s)
			tt.made(&s)
			plan.Made(s, tt.deployment)
			var got []string
			for _, initial := range plan.InitialReplicas {
				got = append(got, fmt.Sprintf("%s to %d", initial.Deployment.Name, initial.Number))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("replicas differ (-want +got):\n%s", diff)
			}
		})
	}
}

func names(keys []decide.Key) []string {
	var result []string
	for _, key := range keys {
		result = append(result, key.Kind.Kind+"/"+key.Name)
	}
	return result
}

func TestImage(t *testing.T) {
	pinned := deployed(2, "a", func(d *appsv1.Deployment) {
		d.Annotations = map[string]string{build.AnnotationRuntimeImage: "runtime:v1"}
	})
	tests := []struct {
		name       string
		changes    []func(*decide.Snapshot)
		wantImage  string
		wantRecord bool
	}{
		{name: "a new service takes the operator's", wantImage: "runtime:v2", wantRecord: true},
		{name: "an upgrade of the operator changes nothing", changes: []func(*decide.Snapshot){pinned}, wantImage: "runtime:v1", wantRecord: true},
		{
			name: "unless the service says so", wantImage: "runtime:v2", wantRecord: true,
			changes: []func(*decide.Snapshot){pinned, spelled(func(s *v1alpha1.RAGServiceSpec) { s.Workload.UpgradePolicy = v1alpha1.UpgradeAutomatic })},
		},
		{
			name: "an image of the user's own wins and is not recorded", wantImage: "own:v9",
			changes: []func(*decide.Snapshot){pinned, spelled(func(s *v1alpha1.RAGServiceSpec) { s.Workload.Image = "own:v9" })},
		},
		{
			name: "when the user's own goes, the operator's comes", wantImage: "runtime:v2", wantRecord: true,
			changes: []func(*decide.Snapshot){deployed(2, "a", nil)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			image, record := decide.Image(snapshot(t, tt.changes...))
			if image != tt.wantImage || record != tt.wantRecord {
				t.Errorf("got %s, record %t, want %s, record %t", image, record, tt.wantImage, tt.wantRecord)
			}
		})
	}
}

func TestEmbeddingImage(t *testing.T) {
	pinned := serving(2, func(d *appsv1.Deployment) {
		d.Annotations = map[string]string{build.AnnotationEmbeddingImage: "tei:v1"}
	})
	tests := []struct {
		name    string
		changes []func(*decide.Snapshot)
		want    string
	}{
		{name: "a new service takes the operator's", changes: []func(*decide.Snapshot){embedded(nil)}, want: build.EmbeddingImage},
		{name: "an upgrade of the operator changes nothing", changes: []func(*decide.Snapshot){embedded(nil), pinned}, want: "tei:v1"},
		{
			name: "unless the service says so", want: build.EmbeddingImage,
			changes: []func(*decide.Snapshot){embedded(nil), pinned, spelled(func(s *v1alpha1.RAGServiceSpec) { s.Workload.UpgradePolicy = v1alpha1.UpgradeAutomatic })},
		},
		{name: "an image of the user's own wins", changes: []func(*decide.Snapshot){embedded(&v1alpha1.EmbeddingServer{Image: "own:v9"}), pinned}, want: "own:v9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decide.EmbeddingImage(snapshot(t, tt.changes...)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

var errCall = errors.New("apply Service/support: the server is tired")
