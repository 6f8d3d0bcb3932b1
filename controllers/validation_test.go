package controllers_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/config/crd"
	"ragops.dev/ragservice/controllers/internal/testkit"
	"ragops.dev/ragservice/controllers/render"
)

// valid is what the cases below change one thing of.
const valid = `
model: {extractive: {}}
embedding: {lexical: {}}
vectorStore: {memory: {documents: [{configMap: {name: docs}}]}}
`

var update = flag.Bool("update", false, "write the golden files anew")

// refusal is a spec with one mistake, and the message a user sees.
type refusal struct {
	name string
	// spec is merged over valid, as a JSON merge patch would.
	spec string
	// object is the name of the object; "support" where it is empty.
	object  string
	wantErr string
}

var refusals = []refusal{
	{name: "two models", spec: `model: {openAI: {model: a}}`, wantErr: "exactly one provider must be set: openAI, anthropic, bedrock or extractive"},
	{name: "no model", spec: `model: {extractive: null}`, wantErr: "exactly one provider must be set: openAI, anthropic, bedrock or extractive"},
	{name: "an empty fallback", spec: `model: {fallbacks: [{}]}`, wantErr: "exactly one provider must be set: openAI, anthropic, bedrock or extractive"},
	{name: "two embeddings", spec: `embedding: {openAI: {model: a}}`, wantErr: "exactly one provider must be set: openAI, textEmbeddingsInference, bedrock or lexical"},
	{name: "two vector stores", spec: `vectorStore: {http: {url: "http://a/query"}}`, wantErr: "exactly one provider must be set: pinecone, qdrant, weaviate, pgvector, openSearch, http or memory"},
	{name: "a way in that is none", spec: `exposure: {}`, wantErr: "exactly one must be set: ingress or gateway"},
	{name: "a certificate for no host", spec: `exposure: {ingress: {tlsSecretName: a}}`, wantErr: "hosts must be set with ingress.tlsSecretName: a certificate is for a host"},
	{name: "a weight against nothing", spec: `exposure: {ingress: {aws: {weight: 1}}}`, wantErr: "weight has no effect without targetGroups"},
	{name: "a share that is not said", spec: `exposure: {ingress: {aws: {targetGroups: [{arn: "arn:aws:elasticloadbalancing:a", weight: 1}]}}}`, wantErr: "weight must be set with targetGroups: the share of this service"},
	{name: "an unknown field", spec: `mdl: {}`, wantErr: `unknown field "spec.mdl"`},
	{name: "a ratio of 1.7", spec: `vectorStore: {minScore: "1.7"}`, wantErr: `must be a ratio between 0 and 1 with at most four decimals, as a string, such as "0.95"`},
	{name: "a temperature of 3", spec: `model: {temperature: "3"}`, wantErr: `must be a number between 0 and 2, as a string, such as "0.2"`},
	{name: "a model timeout of a day", spec: `model: {timeout: 24h}`, wantErr: "must be between 100ms and 1h"},
	{name: "a base URL that is none", spec: `model: {extractive: null, openAI: {model: a, baseURL: "api.openai.com"}}`, wantErr: "must be a http or https URL, such as https://api.openai.com/v1"},
	{name: "an Anthropic URL that is none", spec: `model: {extractive: null, anthropic: {model: a, baseURL: "ftp://a", apiKey: {name: a, key: b}}}`, wantErr: "must be a http or https URL, such as https://api.anthropic.com"},
	{name: "a Bedrock endpoint that is none", spec: `model: {extractive: null, bedrock: {model: a, region: eu-west-1, endpoint: a}}`, wantErr: "must be a http or https URL"},
	{name: "a region that is none", spec: `model: {extractive: null, bedrock: {model: a, region: Ireland}}`, wantErr: "spec.model.bedrock.region"},
	{name: "an Azure version that is none", spec: `model: {extractive: null, openAI: {model: a, azure: {apiVersion: latest}}}`, wantErr: "spec.model.openAI.azure.apiVersion"},
	{name: "ada with other dimensions", spec: `embedding: {lexical: null, openAI: {model: text-embedding-ada-002}, dimensions: 1024}`, wantErr: "text-embedding-ada-002 has 1536 dimensions"},
	{name: "small with too many dimensions", spec: `embedding: {lexical: null, openAI: {model: text-embedding-3-small}, dimensions: 3072}`, wantErr: "text-embedding-3-small has at most 1536 dimensions"},
	{name: "large with too many dimensions", spec: `embedding: {lexical: null, openAI: {model: text-embedding-3-large}, dimensions: 4096}`, wantErr: "text-embedding-3-large has at most 3072 dimensions"},
	{name: "MiniLM with other dimensions", spec: `embedding: {lexical: null, textEmbeddingsInference: {endpoint: "http://a", model: sentence-transformers/all-MiniLM-L6-v2}, dimensions: 768}`, wantErr: "all-MiniLM-L6-v2 has 384 dimensions"},
	{name: "embeddings from nowhere", spec: `embedding: {lexical: null, textEmbeddingsInference: {}}`, wantErr: "model must be set for a server that the operator runs, or endpoint for one that runs already"},
	{name: "an embedding server both ways", spec: `embedding: {lexical: null, textEmbeddingsInference: {endpoint: "http://a", model: a, server: {}}}`, wantErr: "server says how the operator runs the model: leave it out when endpoint is set"},
	{name: "a key that no embedding server asks for", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, apiKey: {name: a, key: b}}}`, wantErr: "apiKey is for endpoint: the server that the operator runs asks for none"},
	{name: "fewer embedding servers at most than at least", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, server: {minReplicas: 3, maxReplicas: 2}}}`, wantErr: "maxReplicas must not be less than minReplicas, which is 2 where it is not set"},
	{name: "fewer embedding servers at most than by default", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, server: {maxReplicas: 1}}}`, wantErr: "maxReplicas must not be less than minReplicas, which is 2 where it is not set"},
	{name: "a target for embedding servers of a fixed number", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, server: {minReplicas: 3, maxReplicas: 3, cpuPercent: 50}}}`, wantErr: "cpuPercent has no effect when minReplicas equals maxReplicas: raise maxReplicas or leave it out"},
	{name: "a model kept in two places", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, server: {modelCache: {size: 1Gi, persistentVolumeClaim: models}}}}`, wantErr: "exactly one must be set: size or persistentVolumeClaim"},
	{name: "no room for a model", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, server: {modelCache: {size: 1Mi}}}}`, wantErr: "must be at least 64Mi"},
	{name: "a revision that is none", spec: `embedding: {lexical: null, textEmbeddingsInference: {model: a, server: {revision: "--hf-token"}}}`, wantErr: "spec.embedding.textEmbeddingsInference.server.revision"},
	{name: "an embedding URL that is none", spec: `embedding: {lexical: null, textEmbeddingsInference: {endpoint: a}}`, wantErr: "must be a http or https URL, such as http://embeddings:8080"},
	{name: "a Weaviate URL that is none", spec: `vectorStore: {memory: null, weaviate: {endpoint: a, collection: Docs}}`, wantErr: "must be a http or https URL, such as http://weaviate:8080"},
	{name: "an OpenSearch URL that is none", spec: `vectorStore: {memory: null, openSearch: {endpoint: a, index: docs}}`, wantErr: "must be a http or https URL, such as https://opensearch:9200"},
	{name: "a store URL that is none", spec: `vectorStore: {memory: null, http: {url: a}}`, wantErr: "must be a http or https URL, such as http://vectors:8000/query"},
	{name: "SQL for a table", spec: `vectorStore: {memory: null, pgvector: {dsn: {name: a, key: b}, table: "docs; drop table docs"}}`, wantErr: "spec.vectorStore.pgvector.table"},
	{name: "a memory store without documents", spec: `vectorStore: {memory: {documents: []}}`, wantErr: "spec.vectorStore.memory.documents"},
	{name: "no passages", spec: `vectorStore: {topK: 0}`, wantErr: "spec.vectorStore.topK"},
	{name: "a cache of nothing", spec: `cache: {}`, wantErr: "at least one of redis and local must be set: the cache has to keep answers somewhere"},
	{name: "legacy keys without Redis", spec: `cache: {legacyKeys: true, local: {}}`, wantErr: "legacyKeys shares a Redis with the old service: redis must be set"},
	{name: "legacy keys by tenant", spec: `
cache: {legacyKeys: true, scope: Tenant, redis: {managed: {}}}
access: {apiKeys: {secret: {name: a, key: b}}}`, wantErr: "legacyKeys needs scope Shared: the keys of the old service know no tenant and no user"},
	{name: "a scope nobody can tell", spec: `cache: {scope: User, local: {}}`, wantErr: "cache.scope Tenant and User need access: without it nobody says who is asking"},
	{name: "a scope there is not", spec: `cache: {scope: Team, local: {}}`, wantErr: `Unsupported value: "Team": supported values: "Shared", "Tenant", "User"`},
	{name: "an answer kept for nothing", spec: `cache: {ttl: 0s, local: {}}`, wantErr: "must be between 1s and 720h"},
	{name: "a stale answer for ever", spec: `cache: {staleTTL: 1000h, local: {}}`, wantErr: "must be between 0s and 720h"},
	{name: "a Redis both ways", spec: `cache: {redis: {managed: {}, external: {addresses: ["a:6379"]}}}`, wantErr: "exactly one must be set: managed or external"},
	{name: "a tiny Redis", spec: `cache: {redis: {managed: {memory: 1Mi}}}`, wantErr: "must be at least 16Mi"},
	{name: "no local memory", spec: `cache: {local: {maxSize: "0"}}`, wantErr: "must be greater than 0"},
	{name: "an address without a port", spec: `cache: {redis: {external: {addresses: [redis]}}}`, wantErr: "spec.cache.redis.external.addresses[0]"},
	{name: "a sentinel without a name", spec: `cache: {redis: {external: {addresses: ["a:26379"], mode: Sentinel}}}`, wantErr: "sentinelPrimary must be set with mode Sentinel: the name the sentinels know the primary by"},
	{name: "one server at two addresses", spec: `cache: {redis: {external: {addresses: ["a:6379", "b:6379"]}}}`, wantErr: "mode Standalone takes exactly one address"},
	{name: "a threshold of 2", spec: `cache: {local: {}, semantic: {threshold: "2"}}`, wantErr: "must be a ratio between 0 and 1"},
	{name: "a query about nobody", spec: `userContext: {postgres: {dsn: {name: a, key: b}, query: SELECT 1}}`, wantErr: "must contain $1, which stands for the user's id"},
	{name: "a look-up of a minute", spec: `userContext: {postgres: {dsn: {name: a, key: b}, query: SELECT $1, timeout: 1m}}`, wantErr: "must be between 1ms and 30s"},
	{name: "access for nobody", spec: `access: {}`, wantErr: "at least one must be set: apiKeys or jwt"},
	{name: "keys that are no URL", spec: `access: {jwt: {issuer: a, audiences: [a], jwksURL: a}}`, wantErr: "must be a http or https URL"},
	{name: "more at least than at most", spec: `scaling: {minReplicas: 5, maxReplicas: 3}`, wantErr: "minReplicas must not be greater than maxReplicas"},
	{name: "targets of a fixed size", spec: `scaling: {minReplicas: 3, maxReplicas: 3, targets: {cpuPercent: 50}}`, wantErr: "targets and behavior have no effect when minReplicas equals maxReplicas: raise maxReplicas or leave them out"},
	{name: "a source for a fixed size", spec: `scaling: {minReplicas: 3, maxReplicas: 3, metricsSource: Prometheus}`, wantErr: "metricsSource, demand and keda have no effect when minReplicas equals maxReplicas: raise maxReplicas or leave them out"},
	{name: "a source there is not", spec: `scaling: {metricsSource: CloudWatch}`, wantErr: `supported values: "Operator", "Prometheus", "KEDA"`},
	{name: "no replica with nothing to measure", spec: `scaling: {minReplicas: 0}`, wantErr: "minReplicas 0 needs metricsSource Prometheus or KEDA: without a pod the operator has nothing to measure, and the service would never come back"},
	{name: "no replica and no way back", spec: `scaling: {minReplicas: 0, metricsSource: KEDA, keda: {}}`, wantErr: "minReplicas 0 needs demand, or with metricsSource KEDA keda.cron: targets are measured on pods, and something has to bring back a service that has none"},
	{name: "a last replica that never goes", spec: `scaling: {minReplicas: 0, metricsSource: Prometheus, demand: {metric: asked}, targets: {queriesPerSecond: 9, memoryPercent: 85}}`, wantErr: "minReplicas 0 with metricsSource Prometheus takes neither cpuPercent nor memoryPercent: a replica that runs uses some of both, so the last one would never go"},
	{name: "KEDA without a word on it", spec: `scaling: {metricsSource: KEDA}`, wantErr: "keda must be set with metricsSource KEDA, and only then"},
	{name: "a word on KEDA without it", spec: `scaling: {keda: {}}`, wantErr: "keda must be set with metricsSource KEDA, and only then"},
	{name: "a query for prometheus-adapter", spec: `scaling: {metricsSource: Prometheus, demand: {query: up}, targets: {queriesPerSecond: 9}}`, wantErr: "demand.query is for metricsSource KEDA and demand.metric for metricsSource Prometheus: the source Operator knows no other figures than those of pods"},
	{name: "a demand that is none", spec: `scaling: {metricsSource: Prometheus, demand: {}, targets: {queriesPerSecond: 9}}`, wantErr: "exactly one must be set: query or metric"},
	{name: "a demand of any size", spec: `scaling: {metricsSource: Prometheus, demand: {metric: asked}}`, wantErr: "demand needs targets.queriesPerSecond: how much of it one replica carries"},
	{name: "KEDA with nobody to ask", spec: `scaling: {metricsSource: KEDA, keda: {}, targets: {queriesInFlight: 9}}`, wantErr: "keda.serverAddress must be set with demand, targets.queriesPerSecond or targets.queriesInFlight: the Prometheus that KEDA asks for them"},
	{name: "a Prometheus that is no URL", spec: `scaling: {metricsSource: KEDA, keda: {serverAddress: "prometheus:9090"}}`, wantErr: "must be a http or https URL, such as http://prometheus-operated.monitoring.svc:9090"},
	{name: "a key to nothing", spec: `scaling: {metricsSource: KEDA, keda: {authentication: {name: a}}}`, wantErr: "authentication is for serverAddress: set that, too"},
	{name: "KEDA that never looks", spec: `scaling: {metricsSource: KEDA, keda: {pollingInterval: 2h}}`, wantErr: "must be between 1s and 1h"},
	{name: "KEDA that never cools down", spec: `scaling: {metricsSource: KEDA, keda: {cooldownPeriod: 48h}}`, wantErr: "must be between 0s and 24h"},
	{name: "a window above the range", spec: `scaling: {metricsSource: KEDA, keda: {cron: [{timezone: UTC, start: "0 8 * * *", end: "0 9 * * *", replicas: 11}]}}`, wantErr: "keda.cron replicas must not be greater than maxReplicas"},
	{name: "a window of seconds", spec: `scaling: {metricsSource: KEDA, keda: {cron: [{timezone: UTC, start: "0 0 8 * * *", end: "0 9 * * *", replicas: 5}]}}`, wantErr: "spec.scaling.keda.cron[0].start"},
	{name: "targets without a target", spec: `scaling: {targets: {}}`, wantErr: "spec.scaling.targets"},
	{name: "an average latency of nothing", spec: `objectives: {averageLatency: 0s}`, wantErr: "must be greater than 0s"},
	{name: "alerts on nothing", spec: `monitoring: {alerts: {}}`, wantErr: "alerts need serviceMonitor: they look at what it has scraped"},
	{name: "a scrape ten times a second", spec: `monitoring: {serviceMonitor: {interval: 100ms}}`, wantErr: "must be at least 1s"},
	{name: "annotations of someone else's account", spec: `workload: {serviceAccount: {name: a, annotations: {b: c}}}`, wantErr: "annotations belong to the ServiceAccount that the operator makes: leave them out when name is set"},
	{name: "a memory limit of one's own", spec: `workload: {env: [{name: GOMEMLIMIT, value: 1GiB}]}`, wantErr: "env GOMEMLIMIT is the operator's, which derives it from resources.limits.memory: set that"},
	{name: "a variable of nothing", spec: `workload: {env: [{name: A}]}`, wantErr: "exactly one must be set: value, secret, configMap or field"},
	{name: "a variable of two things", spec: `workload: {env: [{name: A, value: b, field: metadata.name}]}`, wantErr: "exactly one must be set: value, secret, configMap or field"},
	{name: "a variable that is said twice", spec: `workload: {env: [{name: A, value: b}, {name: A, value: c}]}`, wantErr: "spec.workload.env[1]: Duplicate value"},
	{name: "a variable that no shell can have", spec: `workload: {env: [{name: "a-b", value: c}]}`, wantErr: "spec.workload.env[0].name"},
	{name: "a volume of nothing", spec: `workload: {volumes: [{name: a}]}`, wantErr: "exactly one must be set: emptyDir, secret, configMap, persistentVolumeClaim or csi"},
	{name: "a folder of the node", spec: `workload: {volumes: [{name: a, hostPath: {path: /}}]}`, wantErr: `unknown field "spec.workload.volumes[0].hostPath"`},
	{name: "a folder of no size", spec: `workload: {volumes: [{name: a, emptyDir: {size: "0"}}]}`, wantErr: "must be greater than 0"},
	{name: "a volume by the operator's name", spec: `workload: {volumes: [{name: documents-0, emptyDir: {}}]}`, wantErr: "volumes config, secrets, faq and documents-... are the operator's: choose another name"},
	{name: "a mount of no volume", spec: `workload: {volumeMounts: [{name: a, mountPath: /a}]}`, wantErr: "volumeMounts must name a volume of workload.volumes"},
	{name: "a mount of the operator's secrets", spec: `workload: {volumeMounts: [{name: secrets, mountPath: /a}]}`, wantErr: "volumeMounts must name a volume of workload.volumes"},
	{name: "a mount over the configuration", spec: `workload: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /etc/ragservice/config}]}`, wantErr: "volumeMounts over /etc/ragservice or /runtime would hide what the operator mounts and the runtime itself: choose another mountPath"},
	{name: "a mount over all of it", spec: `workload: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /etc}]}`, wantErr: "volumeMounts over /etc/ragservice or /runtime would hide what the operator mounts and the runtime itself: choose another mountPath"},
	{name: "a mount by way of a detour", spec: `workload: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /a/../etc}]}`, wantErr: "spec.workload.volumeMounts[0].mountPath"},
	{name: "a sidecar by the runtime's name", spec: `workload: {sidecars: [{name: runtime, image: a}]}`, wantErr: "sidecars may not be called runtime, as the query runtime is: choose another name"},
	{name: "a sidecar's mount of no volume", spec: `workload: {sidecars: [{name: a, image: b, volumeMounts: [{name: config, mountPath: /a}]}]}`, wantErr: "volumeMounts of sidecars must name a volume of workload.volumes"},
	{name: "a privileged sidecar", spec: `workload: {sidecars: [{name: a, image: b, securityContext: {privileged: true}}]}`, wantErr: `unknown field "spec.workload.sidecars[0].securityContext"`},
	{name: "a sidecar that is root", spec: `workload: {sidecars: [{name: a, image: b, user: 0}]}`, wantErr: "spec.workload.sidecars[0].user"},
	{name: "five sidecars", spec: `workload: {sidecars: [{name: a, image: i}, {name: b, image: i}, {name: c, image: i}, {name: d, image: i}, {name: e, image: i}]}`, wantErr: "spec.workload.sidecars: Too many: 5: must have at most 4 items"},
	{name: "claims that are not passed on", spec: `workload: {resources: {claims: [{name: a}]}}`, wantErr: "claims are not passed on: name requests and limits"},
	{name: "a label by which pods are found", spec: `workload: {podLabels: {app.kubernetes.io/component: mine}}`, wantErr: "app.kubernetes.io/name, instance, component and managed-by, and rag.ragops.dev/..., are the operator's: choose other labels"},
	{name: "an annotation by which pods are rolled", spec: `workload: {podAnnotations: {rag.ragops.dev/documents: mine}}`, wantErr: "annotations rag.ragops.dev/... are the operator's: choose others"},
	{name: "a Secret outside the namespace", spec: `model: {extractive: null, openAI: {model: a, apiKey: {name: "../other", key: b}}}`, wantErr: "spec.model.openAI.apiKey.name"},
	{name: "a key that is a path", spec: `model: {extractive: null, openAI: {model: a, apiKey: {name: a, key: "../b"}}}`, wantErr: "spec.model.openAI.apiKey.key"},
	{name: "an upgrade policy there is not", spec: `workload: {upgradePolicy: Never}`, wantErr: `supported values: "Pinned", "Automatic"`},
	{name: "a name that is too long", object: strings.Repeat("a", 47), wantErr: "metadata.name must have at most 46 characters"},
	{name: "a name that no Service can have", object: "a.b", wantErr: "metadata.name must be a DNS label that starts with a letter"},
}

func TestRefusals(t *testing.T) {
	namespace := env.Namespace(t)
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			object := object(t, namespace, tt.object, tt.spec)
			err := client.WithFieldValidation(env.Client, "Strict").Create(t.Context(), object)
			if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("the API server says %v, want an error with %q", err, tt.wantErr)
			}
			// What ragctl render says offline must not differ.
			want := regexp.MustCompile(`unknown field "(.*)"`).ReplaceAllString(tt.wantErr, "$1")
			if _, err := render.Admit(t.Context(), encode(t, object)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("render.Admit says %v, want an error with %q", err, want)
			}
		})
	}
}

// TestEveryRuleIsTested checks that each rule of the definition has a case above.
func TestEveryRuleIsTested(t *testing.T) {
	var definition any
	if err := yaml.Unmarshal(crd.RAGServices, &definition); err != nil {
		t.Fatal(err)
	}
	messages := map[string]bool{}
	collect(definition, messages)
	if len(messages) < 30 {
		t.Fatalf("found %d rules in the definition, want more: is it read right?", len(messages))
	}
	for _, message := range slices.Sorted(maps.Keys(messages)) {
		if !slices.ContainsFunc(refusals, func(r refusal) bool {
			return strings.HasPrefix(message, r.wantErr)
		}) {
			t.Errorf("no case shows the message %q", message)
		}
	}
}

func collect(node any, messages map[string]bool) {
	switch node := node.(type) {
	case map[string]any:
		if rules, ok := node["x-kubernetes-validations"].([]any); ok {
			for _, rule := range rules {
				messages[rule.(map[string]any)["message"].(string)] = true
			}
		}
		for _, child := range node {
			collect(child, messages)
		}
	case []any:
		for _, child := range node {
			collect(child, messages)
		}
	}
}

// TestDefaults checks that what a user leaves out shows in the object, and that the
// offline defaults are the same.
func TestDefaults(t *testing.T) {
	object := object(t, env.Namespace(t), "", `
cache: {redis: {managed: {}}, local: {}, semantic: {}}
scaling: {metricsSource: KEDA, keda: {}}
monitoring: {serviceMonitor: {}}`)
	offline, err := render.Admit(t.Context(), encode(t, object))
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(object.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "defaults.yaml")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("defaults differ from %s (-want +got); -update writes it anew:\n%s", golden, diff)
	}
	online := &v1alpha1.RAGService{}
	if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(object), online); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(online.Spec, offline.Spec); diff != "" {
		t.Errorf("offline defaults differ from the API server's (-want +got):\n%s", diff)
	}
}

// TestSamples checks that the samples of the repository are accepted.
func TestSamples(t *testing.T) {
	for _, file := range []string{"embedded/ragservice.yaml", "openai.yaml", "embedding.yaml", "production.yaml", "keda.yaml", "prometheus-adapter.yaml"} {
		data, err := os.ReadFile(testkit.Path("config", "samples", file))
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(data, &object.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		object.SetNamespace(env.Namespace(t))
		if err := client.WithFieldValidation(env.Client, "Strict").Create(t.Context(), object); err != nil {
			t.Errorf("%s is refused: %v", file, err)
		}
	}
}

// object merges a spec over the valid one.
func object(t *testing.T, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	if name == "" {
		name = "support"
	}
	result := &unstructured.Unstructured{Object: map[string]any{}}
	document := fmt.Sprintf("apiVersion: rag.ragops.dev/v1alpha1\nkind: RAGService\nmetadata: {name: %s, namespace: %s}\nspec:%s",
		name, namespace, regexp.MustCompile(`(?m)^`).ReplaceAllString(valid, "  "))
	decode(t, document, &result.Object)
	var patch map[string]any
	decode(t, spec, &patch)
	merge(result.Object["spec"].(map[string]any), patch)
	return result
}

func merge(into, patch map[string]any) {
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		existing, wasMap := into[key].(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case isMap && wasMap:
			merge(existing, inner)
		default:
			into[key] = value
		}
	}
}

func decode(t *testing.T, document string, into *map[string]any) {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, object *unstructured.Unstructured) []byte {
	t.Helper()
	data, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
