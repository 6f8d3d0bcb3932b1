package build

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Where the runtime finds what is mounted.
const (
	configPath    = "/etc/ragservice/config"
	configFile    = "config.yaml"
	secretsPath   = "/etc/ragservice/secrets"
	documentsPath = "/etc/ragservice/documents"
	faqPath       = "/etc/ragservice/faq"
)

// ReferenceKind is Secret or ConfigMap.
type ReferenceKind string

// The kinds a spec may refer to.
const (
	RefersToSecret    ReferenceKind = "Secret"
	RefersToConfigMap ReferenceKind = "ConfigMap"
)

// Reference is an object of the service's own namespace that the spec names.
type Reference struct {
	Kind ReferenceKind
	Name string
	// Key that the object must have; empty where any will do.
	Key string
	// Field of the spec that names it, for messages.
	Field string
	// Component whose pods need it.
	Component string
	// Extra is whether the user says what becomes of it in the pods; anything else the
	// operator mounts.
	Extra bool
}

// References are all Secrets and ConfigMaps that the spec names, in the order of
// the spec.
func References(s *v1alpha1.RAGService) []Reference {
	var r references
	r.model("spec.model", s.Spec.Model.ModelProvider)
	for i, f := range s.Spec.Model.Fallbacks {
		r.model(fmt.Sprintf("spec.model.fallbacks[%d]", i), f)
	}
	r.embedding(s.Spec.Embedding)
	r.vectorStore(s.Spec.VectorStore)
	if c := s.Spec.Cache; c != nil {
		r.cache(*c)
	}
	if u := s.Spec.UserContext; u != nil {
		r.secret("spec.userContext.postgres.dsn", &u.Postgres.DSN)
	}
	if a := s.Spec.Access; a != nil && a.APIKeys != nil {
		r.secret("spec.access.apiKeys.secret", &a.APIKeys.Secret)
	}
	r.workload(s.Spec.Workload)
	return r
}

type references []Reference

func (r *references) secret(field string, key *v1alpha1.SecretKey) {
	if key != nil {
		*r = append(*r, Reference{Kind: RefersToSecret, Name: key.Name, Key: key.Key, Field: field, Component: ComponentRuntime})
	}
}

func (r *references) model(field string, p v1alpha1.ModelProvider) {
	if p.OpenAI != nil {
		r.secret(field+".openAI.apiKey", p.OpenAI.APIKey)
	}
	if p.Anthropic != nil {
		r.secret(field+".anthropic.apiKey", &p.Anthropic.APIKey)
	}
}

func (r *references) embedding(e v1alpha1.Embedding) {
	if e.OpenAI != nil {
		r.secret("spec.embedding.openAI.apiKey", e.OpenAI.APIKey)
	}
	if tei := e.TextEmbeddingsInference; tei != nil {
		r.secret("spec.embedding.textEmbeddingsInference.apiKey", tei.APIKey)
		if tei.Server != nil && tei.Server.Token != nil {
			*r = append(*r, Reference{
				Kind: RefersToSecret, Name: tei.Server.Token.Name, Key: tei.Server.Token.Key,
				Field: "spec.embedding.textEmbeddingsInference.server.token", Component: ComponentEmbedding,
			})
		}
	}
}

func (r *references) vectorStore(v v1alpha1.VectorStore) {
	switch {
	case v.Pinecone != nil:
		r.secret("spec.vectorStore.pinecone.apiKey", &v.Pinecone.APIKey)
	case v.Qdrant != nil:
		r.secret("spec.vectorStore.qdrant.apiKey", v.Qdrant.APIKey)
	case v.Weaviate != nil:
		r.secret("spec.vectorStore.weaviate.apiKey", v.Weaviate.APIKey)
	case v.PGVector != nil:
		r.secret("spec.vectorStore.pgvector.dsn", &v.PGVector.DSN)
	case v.OpenSearch != nil:
		r.secret("spec.vectorStore.openSearch.basicAuth", v.OpenSearch.BasicAuth)
	case v.HTTP != nil:
		r.secret("spec.vectorStore.http.apiKey", v.HTTP.APIKey)
	case v.Memory != nil:
		for i, d := range v.Memory.Documents {
			field := fmt.Sprintf("spec.vectorStore.memory.documents[%d].configMap", i)
			*r = append(*r, Reference{Kind: RefersToConfigMap, Name: d.ConfigMap.Name, Field: field, Component: ComponentRuntime})
		}
	}
}

func (r *references) cache(c v1alpha1.Cache) {
	if c.Redis != nil && c.Redis.External != nil {
		r.secret("spec.cache.redis.external.password", c.Redis.External.Password)
		if tls := c.Redis.External.TLS; tls != nil {
			r.secret("spec.cache.redis.external.tls.ca", tls.CA)
		}
	}
	if f := c.FAQ; f != nil {
		*r = append(*r, Reference{
			Kind: RefersToConfigMap, Name: f.ConfigMap.Name, Key: f.ConfigMap.Key, Field: "spec.cache.faq.configMap", Component: ComponentRuntime,
		})
	}
}

// workload are those that the user adds to the pods.
func (r *references) workload(w v1alpha1.Workload) {
	extra := func(kind ReferenceKind, name, key, field string) {
		*r = append(*r, Reference{Kind: kind, Name: name, Key: key, Field: field, Component: ComponentRuntime, Extra: true})
	}
	variables := func(field string, list []v1alpha1.EnvironmentVariable) {
		for i, v := range list {
			switch {
			case v.Secret != nil:
				extra(RefersToSecret, v.Secret.Name, v.Secret.Key, fmt.Sprintf("%s[%d].secret", field, i))
			case v.ConfigMap != nil:
				extra(RefersToConfigMap, v.ConfigMap.Name, v.ConfigMap.Key, fmt.Sprintf("%s[%d].configMap", field, i))
			}
		}
	}
	variables("spec.workload.env", w.Env)
	for i, v := range w.Volumes {
		switch {
		case v.Secret != nil:
			extra(RefersToSecret, v.Secret.Name, "", fmt.Sprintf("spec.workload.volumes[%d].secret", i))
		case v.ConfigMap != nil:
			extra(RefersToConfigMap, v.ConfigMap.Name, "", fmt.Sprintf("spec.workload.volumes[%d].configMap", i))
		}
	}
	for i, s := range w.Sidecars {
		variables(fmt.Sprintf("spec.workload.sidecars[%d].env", i), s.Env)
	}
}

// secretFile is where the runtime reads a secret.
func secretFile(key v1alpha1.SecretKey) string { return path.Join(secretsPath, key.Name, key.Key) }

func optionalSecretFile(key *v1alpha1.SecretKey) string {
	if key == nil {
		return ""
	}
	return secretFile(*key)
}

func documentsFolder(i int) string { return fmt.Sprintf("%s/%d", documentsPath, i) }

// secretKeys are the keys to mount into the pods of the query runtime, each once, in a
// stable order.
func secretKeys(s *v1alpha1.RAGService) []v1alpha1.SecretKey {
	var keys []v1alpha1.SecretKey
	for _, r := range References(s) {
		if r.Kind == RefersToSecret && r.Component == ComponentRuntime && !r.Extra {
			keys = append(keys, v1alpha1.SecretKey{Name: r.Name, Key: r.Key})
		}
	}
	if ManagedRedis(s) != nil {
		keys = append(keys, redisPassword(s))
	}
	slices.SortFunc(keys, func(a, b v1alpha1.SecretKey) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(keys)
}
