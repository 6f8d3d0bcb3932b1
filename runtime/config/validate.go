package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Validate reports all that is wrong, each with the path of its field. It
// expects the defaults to be filled in.
func (c *Config) Validate() error {
	var v validation
	if c.Version != Version {
		v.add("version", "is %q, and this runtime reads %q", c.Version, Version)
	}
	v.server(c.Server)
	v.model(c.Model)
	v.embedding(c.Embedding)
	v.vectorStore(c.VectorStore)
	if c.Cache != nil {
		v.cache(*c.Cache, c.Access != nil)
	}
	if c.UserContext != nil {
		v.userContext(c.UserContext.Postgres)
	}
	if c.Access != nil {
		v.access(*c.Access)
	}
	v.telemetry(c.Telemetry)
	return errors.Join(v.errs...)
}

// validation collects errors, so that a user sees all of them at once.
type validation struct{ errs []error }

func (v *validation) add(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (v *validation) required(path, value string) {
	if value == "" {
		v.add(path, "must be set")
	}
}

func (v *validation) positive(path string, value int64) {
	if value <= 0 {
		v.add(path, "is %d, and must be greater than 0", value)
	}
}

func (v *validation) duration(path string, value time.Duration) {
	if value <= 0 {
		v.add(path, "is %s, and must be greater than 0s", value)
	}
}

func (v *validation) ratio(path string, value float64) {
	if !(value >= 0 && value <= 1) { // also catches NaN
		v.add(path, "is %v, and must be between 0 and 1", value)
	}
}

func (v *validation) url(path, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		v.add(path, "is %q, and must be a http or https URL", value)
	}
}

func (v *validation) hostPort(path, value string) {
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		v.add(path, "is %q, and must be host:port", value)
	}
}

// exactlyOne takes the names of all members of a union and whether each is set.
func (v *validation) exactlyOne(path string, members []member) {
	var names, set []string
	for _, m := range members {
		names = append(names, m.name)
		if m.set {
			set = append(set, m.name)
		}
	}
	switch len(set) {
	case 1:
	case 0:
		v.add(path, "has no provider: set exactly one of %s", strings.Join(names, ", "))
	default:
		v.add(path, "has %s: set exactly one of %s", strings.Join(set, " and "), strings.Join(names, ", "))
	}
}

type member struct {
	name string
	set  bool
}

func (v *validation) server(s Server) {
	v.hostPort("server.queryAddress", s.QueryAddress)
	v.hostPort("server.adminAddress", s.AdminAddress)
	v.positive("server.maxInFlight", int64(s.MaxInFlight))
	v.positive("server.maxQueued", int64(s.MaxQueued))
	v.duration("server.queueTimeout", s.QueueTimeout)
	v.duration("server.queryTimeout", s.QueryTimeout)
	if s.QueueTimeout > s.QueryTimeout {
		v.add("server.queueTimeout", "is %s, and must not be longer than queryTimeout, which is %s", s.QueueTimeout, s.QueryTimeout)
	}
	v.positive("server.maxBodyBytes", s.MaxBodyBytes)
	v.positive("server.maxQueryBytes", int64(s.MaxQueryBytes))
	v.duration("server.drainTimeout", s.DrainTimeout)
	if s.DrainDelay < 0 {
		v.add("server.drainDelay", "is %s, and must not be negative", s.DrainDelay)
	}
}

func (v *validation) model(m Model) {
	v.provider("model", m.ModelProvider)
	v.positive("model.maxOutputTokens", int64(m.MaxOutputTokens))
	v.duration("model.timeout", m.Timeout)
	if t := m.Temperature; t != nil && !(*t >= 0 && *t <= 2) {
		v.add("model.temperature", "is %v, and must be between 0 and 2", *t)
	}
	for i, f := range m.Fallbacks {
		v.provider(fmt.Sprintf("model.fallbacks[%d]", i), f)
	}
}

func (v *validation) provider(path string, p ModelProvider) {
	v.exactlyOne(path, []member{
		{"openAI", p.OpenAI != nil}, {"anthropic", p.Anthropic != nil},
		{"bedrock", p.Bedrock != nil}, {"extractive", p.Extractive != nil},
	})
	if p.OpenAI != nil {
		v.openAI(path+".openAI", *p.OpenAI)
	}
	if p.Anthropic != nil {
		v.required(path+".anthropic.model", p.Anthropic.Model)
		v.required(path+".anthropic.apiKeyFile", p.Anthropic.APIKeyFile)
		v.url(path+".anthropic.baseURL", p.Anthropic.BaseURL)
	}
	if p.Bedrock != nil {
		v.bedrock(path+".bedrock", *p.Bedrock)
	}
}

func (v *validation) openAI(path string, o OpenAI) {
	v.required(path+".model", o.Model)
	v.url(path+".baseURL", o.BaseURL)
}

func (v *validation) bedrock(path string, b Bedrock) {
	v.required(path+".model", b.Model)
	v.required(path+".region", b.Region)
	if b.Endpoint != "" {
		v.url(path+".endpoint", b.Endpoint)
	}
}

func (v *validation) embedding(e Embedding) {
	v.exactlyOne("embedding", []member{
		{"openAI", e.OpenAI != nil}, {"textEmbeddingsInference", e.TextEmbeddingsInference != nil},
		{"bedrock", e.Bedrock != nil}, {"lexical", e.Lexical != nil},
	})
	if e.OpenAI != nil {
		v.openAI("embedding.openAI", *e.OpenAI)
	}
	if e.TextEmbeddingsInference != nil {
		v.url("embedding.textEmbeddingsInference.endpoint", e.TextEmbeddingsInference.Endpoint)
	}
	if e.Bedrock != nil {
		v.bedrock("embedding.bedrock", *e.Bedrock)
	}
	if e.Dimensions < 0 {
		v.add("embedding.dimensions", "is %d, and must not be negative", e.Dimensions)
	}
	v.duration("embedding.timeout", e.Timeout)
	v.positive("embedding.cacheEntries", int64(e.CacheEntries))
}

func (v *validation) vectorStore(s VectorStore) {
	v.exactlyOne("vectorStore", []member{
		{"pinecone", s.Pinecone != nil}, {"qdrant", s.Qdrant != nil}, {"weaviate", s.Weaviate != nil},
		{"pgvector", s.PGVector != nil}, {"openSearch", s.OpenSearch != nil}, {"http", s.HTTP != nil},
		{"memory", s.Memory != nil},
	})
	if s.Pinecone != nil {
		v.required("vectorStore.pinecone.indexHost", s.Pinecone.IndexHost)
		v.required("vectorStore.pinecone.apiKeyFile", s.Pinecone.APIKeyFile)
	}
	if s.Qdrant != nil {
		v.required("vectorStore.qdrant.endpoint", s.Qdrant.Endpoint)
		v.required("vectorStore.qdrant.collection", s.Qdrant.Collection)
	}
	if s.Weaviate != nil {
		v.url("vectorStore.weaviate.endpoint", s.Weaviate.Endpoint)
		v.required("vectorStore.weaviate.collection", s.Weaviate.Collection)
	}
	if s.PGVector != nil {
		v.required("vectorStore.pgvector.dsnFile", s.PGVector.DSNFile)
		v.positive("vectorStore.pgvector.poolSize", int64(s.PGVector.PoolSize))
	}
	if s.OpenSearch != nil {
		v.url("vectorStore.openSearch.endpoint", s.OpenSearch.Endpoint)
		v.required("vectorStore.openSearch.index", s.OpenSearch.Index)
	}
	if s.HTTP != nil {
		v.url("vectorStore.http.url", s.HTTP.URL)
	}
	if s.Memory != nil && len(s.Memory.Documents) == 0 {
		v.add("vectorStore.memory.documents", "must name at least one file or folder")
	}
	v.positive("vectorStore.topK", int64(s.TopK))
	v.ratio("vectorStore.minScore", s.MinScore)
	v.duration("vectorStore.timeout", s.Timeout)
}

func (v *validation) cache(c Cache, access bool) {
	v.duration("cache.ttl", c.TTL)
	v.duration("cache.budget", c.Budget)
	v.positive("cache.writeQueue", int64(c.WriteQueue))
	if c.StaleTTL < 0 {
		v.add("cache.staleTTL", "is %s, and must not be negative", c.StaleTTL)
	}
	if !slices.Contains([]Scope{ScopeShared, ScopeTenant, ScopeUser}, c.Scope) {
		v.add("cache.scope", "is %q, and must be Shared, Tenant or User", c.Scope)
	}
	if c.Scope != ScopeShared && !access {
		v.add("cache.scope", "is %s, which needs access: without it nobody says who is asking", c.Scope)
	}
	if c.LegacyKeys && (c.Redis == nil || c.Scope != ScopeShared) {
		v.add("cache.legacyKeys", "needs cache.redis and cache.scope Shared")
	}
	if c.Redis == nil && c.Local == nil {
		v.add("cache", "has no place to keep answers: set redis, local or both")
	}
	if c.Redis != nil {
		v.redis(*c.Redis)
	}
	if c.Local != nil {
		v.positive("cache.local.maxBytes", c.Local.MaxBytes)
	}
	if c.Semantic != nil {
		v.ratio("cache.semantic.threshold", c.Semantic.Threshold)
		v.positive("cache.semantic.maxEntries", int64(c.Semantic.MaxEntries))
	}
	if c.FAQ != nil {
		v.required("cache.faq.file", c.FAQ.File)
		v.ratio("cache.faq.threshold", c.FAQ.Threshold)
	}
}

func (v *validation) redis(r Redis) {
	if len(r.Addresses) == 0 {
		v.add("cache.redis.addresses", "must name at least one host:port")
	}
	for i, a := range r.Addresses {
		v.hostPort(fmt.Sprintf("cache.redis.addresses[%d]", i), a)
	}
	switch r.Mode {
	case RedisStandalone:
		if len(r.Addresses) > 1 {
			v.add("cache.redis.addresses", "has %d entries, and mode Standalone takes one", len(r.Addresses))
		}
	case RedisSentinel:
		v.required("cache.redis.sentinelPrimary", r.SentinelPrimary)
	case RedisCluster:
		if r.Database != 0 {
			v.add("cache.redis.database", "is %d, and mode Cluster has only 0", r.Database)
		}
	default:
		v.add("cache.redis.mode", "is %q, and must be Standalone, Sentinel or Cluster", r.Mode)
	}
	v.positive("cache.redis.poolSize", int64(r.PoolSize))
}

func (v *validation) userContext(p PostgresUserContext) {
	v.required("userContext.postgres.dsnFile", p.DSNFile)
	if !strings.Contains(p.Query, "$1") {
		v.add("userContext.postgres.query", "must contain $1, which stands for the user's id")
	}
	v.duration("userContext.postgres.timeout", p.Timeout)
	v.positive("userContext.postgres.poolSize", int64(p.PoolSize))
}

func (v *validation) access(a Access) {
	if a.APIKeys == nil && a.JWT == nil {
		v.add("access", "lets nobody in: set apiKeys, jwt or both")
	}
	if a.APIKeys != nil {
		v.required("access.apiKeys.file", a.APIKeys.File)
	}
	if a.JWT != nil {
		v.required("access.jwt.issuer", a.JWT.Issuer)
		v.url("access.jwt.jwksURL", a.JWT.JWKSURL)
		if len(a.JWT.Audiences) == 0 {
			v.add("access.jwt.audiences", "must name at least one audience")
		}
	}
	if a.RequestsPerMinute < 0 {
		v.add("access.requestsPerMinute", "is %d, and must not be negative", a.RequestsPerMinute)
	}
}

func (v *validation) telemetry(t Telemetry) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, t.LogLevel) {
		v.add("telemetry.logLevel", "is %q, and must be debug, info, warn or error", t.LogLevel)
	}
	if t.OTLPEndpoint != "" {
		v.url("telemetry.otlpEndpoint", t.OTLPEndpoint)
	}
	if t.TraceRatio != nil {
		v.ratio("telemetry.traceRatio", *t.TraceRatio)
	}
}
