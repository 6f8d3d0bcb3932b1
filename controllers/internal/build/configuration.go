package build

import (
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/runtime/config"
)

// Content is the configuration of the query runtime, ready to be mounted.
type Content struct {
	// Name of the ConfigMap, which ends in Hash.
	Name string
	// Hash identifies the content.
	Hash string
	// Data is the file the runtime reads.
	Data []byte
	// Config is the same with all defaults filled in.
	Config config.Config
}

// Configuration translates the spec into the runtime's configuration. An error
// means that the runtime would refuse it, and says why.
func Configuration(s *v1alpha1.RAGService) (Content, error) {
	translate := translation{}
	c := translate.config(s)
	if translate.err != nil {
		return Content{}, translate.err
	}
	data, err := c.Marshal()
	if err != nil {
		return Content{}, err
	}
	// The runtime would refuse to start on what does not parse: say so here.
	full, err := config.Parse(data)
	if err != nil {
		return Content{}, err
	}
	hash := config.Hash(data)
	return Content{Name: s.Name + "-config-" + hash, Hash: hash, Data: data, Config: *full}, nil
}

func configMap(s *v1alpha1.RAGService, content Content) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap(content.Name, s.Namespace).
		WithLabels(labels(s, ComponentConfig)).
		WithOwnerReferences(owner(s)).
		WithImmutable(true).
		WithData(map[string]string{configFile: string(content.Data)})
}

// translation keeps the first error, so that the mapping reads as a mapping.
type translation struct{ err error }

func (t *translation) config(s *v1alpha1.RAGService) config.Config {
	return config.Config{
		Version:     config.Version,
		Service:     config.Service{Name: s.Name, Namespace: s.Namespace},
		Model:       t.model(s.Spec.Model),
		Embedding:   embedding(s),
		VectorStore: t.vectorStore(s.Spec.VectorStore),
		Cache:       t.cache(s),
		UserContext: userContext(s.Spec.UserContext),
		Access:      access(s.Spec.Access),
	}
}

func (t *translation) model(m v1alpha1.Model) config.Model {
	c := config.Model{
		ModelProvider:   provider(m.ModelProvider),
		SystemPrompt:    m.SystemPrompt,
		MaxOutputTokens: int(m.MaxOutputTokens),
		Timeout:         duration(m.Timeout),
	}
	if m.Temperature != "" {
		c.Temperature = new(t.number("spec.model.temperature", m.Temperature))
	}
	for _, f := range m.Fallbacks {
		c.Fallbacks = append(c.Fallbacks, provider(f))
	}
	return c
}

func provider(p v1alpha1.ModelProvider) config.ModelProvider {
	var c config.ModelProvider
	if o := p.OpenAI; o != nil {
		c.OpenAI = openAI(o.Model, o.OpenAIEndpoint)
	}
	if a := p.Anthropic; a != nil {
		c.Anthropic = &config.Anthropic{Model: a.Model, BaseURL: a.BaseURL, APIKeyFile: secretFile(a.APIKey)}
	}
	if p.Bedrock != nil {
		c.Bedrock = bedrock(p.Bedrock)
	}
	if p.Extractive != nil {
		c.Extractive = &config.Extractive{}
	}
	return c
}

func openAI(model string, e v1alpha1.OpenAIEndpoint) *config.OpenAI {
	c := &config.OpenAI{Model: model, BaseURL: e.BaseURL, APIKeyFile: optionalSecretFile(e.APIKey)}
	if e.Azure != nil {
		c.AzureAPIVersion = e.Azure.APIVersion
	}
	return c
}

func bedrock(b *v1alpha1.BedrockModel) *config.Bedrock {
	return &config.Bedrock{Model: b.Model, Region: b.Region, Endpoint: b.Endpoint}
}

func embedding(s *v1alpha1.RAGService) config.Embedding {
	var c config.Embedding
	e := s.Spec.Embedding
	if e.Dimensions != nil {
		c.Dimensions = int(*e.Dimensions)
	}
	if o := e.OpenAI; o != nil {
		c.OpenAI = openAI(o.Model, o.OpenAIEndpoint)
	}
	if tei := e.TextEmbeddingsInference; tei != nil {
		c.TextEmbeddingsInference = &config.TextEmbeddingsInference{
			Endpoint: tei.Endpoint, Model: embeddingModel(s), APIKeyFile: optionalSecretFile(tei.APIKey),
		}
		if ManagedEmbedding(s) != nil {
			c.TextEmbeddingsInference.Endpoint = embeddingEndpoint(s)
		}
	}
	if e.Bedrock != nil {
		c.Bedrock = bedrock(e.Bedrock)
	}
	if e.Lexical != nil {
		c.Lexical = &config.Lexical{}
	}
	return c
}

func (t *translation) vectorStore(v v1alpha1.VectorStore) config.VectorStore {
	c := config.VectorStore{
		TopK:     int(v.TopK),
		MinScore: t.number("spec.vectorStore.minScore", string(v.MinScore)),
	}
	switch {
	case v.Pinecone != nil:
		p := v.Pinecone
		c.Pinecone = &config.Pinecone{IndexHost: p.IndexHost, Namespace: p.Namespace, TextField: p.TextField, APIKeyFile: secretFile(p.APIKey)}
	case v.Qdrant != nil:
		q := v.Qdrant
		c.Qdrant = &config.Qdrant{Endpoint: q.Endpoint, Collection: q.Collection, TextField: q.TextField, APIKeyFile: optionalSecretFile(q.APIKey)}
	case v.Weaviate != nil:
		w := v.Weaviate
		c.Weaviate = &config.Weaviate{Endpoint: w.Endpoint, Collection: w.Collection, TextField: w.TextField, APIKeyFile: optionalSecretFile(w.APIKey)}
	case v.PGVector != nil:
		p := v.PGVector
		c.PGVector = &config.PGVector{
			DSNFile: secretFile(p.DSN), Table: p.Table, IDColumn: p.IDColumn, TextColumn: p.TextColumn,
			VectorColumn: p.VectorColumn, MetadataColumn: p.MetadataColumn, PoolSize: int(p.PoolSize),
		}
	case v.OpenSearch != nil:
		o := v.OpenSearch
		c.OpenSearch = &config.OpenSearch{
			Endpoint: o.Endpoint, Index: o.Index, VectorField: o.VectorField, TextField: o.TextField,
			BasicAuthFile: optionalSecretFile(o.BasicAuth),
		}
	case v.HTTP != nil:
		c.HTTP = &config.HTTPStore{URL: v.HTTP.URL, TextField: v.HTTP.TextField, APIKeyFile: optionalSecretFile(v.HTTP.APIKey)}
	case v.Memory != nil:
		c.Memory = &config.Memory{}
		for i := range v.Memory.Documents {
			c.Memory.Documents = append(c.Memory.Documents, documentsFolder(i))
		}
	}
	return c
}

func (t *translation) cache(s *v1alpha1.RAGService) *config.Cache {
	cache := s.Spec.Cache
	if cache == nil {
		return nil
	}
	c := &config.Cache{
		TTL:        duration(cache.TTL),
		StaleTTL:   duration(cache.StaleTTL),
		Scope:      config.Scope(cache.Scope),
		LegacyKeys: cache.LegacyKeys,
		Redis:      redis(s),
	}
	if l := cache.Local; l != nil {
		c.Local = &config.LocalCache{MaxBytes: l.MaxSize.Value()}
	}
	if sem := cache.Semantic; sem != nil {
		c.Semantic = &config.SemanticCache{
			Threshold:  t.number("spec.cache.semantic.threshold", string(sem.Threshold)),
			MaxEntries: int(sem.MaxEntries),
		}
	}
	if f := cache.FAQ; f != nil {
		c.FAQ = &config.FAQ{
			File:      faqPath + "/" + f.ConfigMap.Key,
			Threshold: t.number("spec.cache.faq.threshold", string(f.Threshold)),
		}
	}
	return c
}

func redis(s *v1alpha1.RAGService) *config.Redis {
	r := s.Spec.Cache.Redis
	if r == nil {
		return nil
	}
	c := &config.Redis{PoolSize: int(r.PoolSize)}
	if r.Managed != nil {
		c.Mode = config.RedisStandalone
		c.Addresses = []string{fmt.Sprintf("%s.%s.svc:%d", RedisName(s), s.Namespace, redisPort)}
		c.PasswordFile = secretFile(redisPassword(s))
		return c
	}
	e := r.External
	c.Mode = config.RedisMode(e.Mode)
	c.Addresses = e.Addresses
	c.SentinelPrimary = e.SentinelPrimary
	c.Username = e.Username
	c.PasswordFile = optionalSecretFile(e.Password)
	c.Database = int(e.Database)
	if e.TLS != nil {
		c.TLS = &config.RedisTLS{CAFile: optionalSecretFile(e.TLS.CA), ServerName: e.TLS.ServerName}
	}
	return c
}

func userContext(u *v1alpha1.UserContext) *config.UserContext {
	if u == nil {
		return nil
	}
	return &config.UserContext{Postgres: config.PostgresUserContext{
		DSNFile:  secretFile(u.Postgres.DSN),
		Query:    u.Postgres.Query,
		Timeout:  duration(u.Postgres.Timeout),
		PoolSize: int(u.Postgres.PoolSize),
	}}
}

func access(a *v1alpha1.Access) *config.Access {
	if a == nil {
		return nil
	}
	c := &config.Access{}
	if a.APIKeys != nil {
		c.APIKeys = &config.APIKeys{File: secretFile(a.APIKeys.Secret)}
	}
	if j := a.JWT; j != nil {
		c.JWT = &config.JWT{Issuer: j.Issuer, Audiences: j.Audiences, JWKSURL: j.JWKSURL, TenantClaim: j.TenantClaim, UserClaim: j.UserClaim}
	}
	if a.RateLimit != nil {
		c.RequestsPerMinute = int(a.RateLimit.RequestsPerMinute)
	}
	return c
}

// number reads a decimal that the API keeps as a string; empty is 0.
func (t *translation) number(field, value string) float64 {
	if value == "" {
		return 0
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("%s: is %q, and must be a number", field, value)
	}
	return n
}

func duration(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}
