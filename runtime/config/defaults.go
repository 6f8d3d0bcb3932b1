package config

import "time"

// DefaultSystemPrompt is what the model is told where nobody says otherwise.
const DefaultSystemPrompt = "You are a helpful assistant. Answer from the context given; when it does not hold the answer, say so."

// SetDefaults fills in what was left out. It changes nothing that was set, so
// a second call changes nothing.
func (c *Config) SetDefaults() {
	setDefault(&c.Service.Name, "ragservice")
	c.Model.setDefaults()
	c.Server.setDefaults(c.Model.Timeout)
	c.Embedding.setDefaults()
	c.VectorStore.setDefaults()
	if c.Cache != nil {
		c.Cache.setDefaults()
	}
	if c.UserContext != nil {
		setDefault(&c.UserContext.Postgres.Timeout, 250*time.Millisecond)
		setDefault(&c.UserContext.Postgres.PoolSize, 10)
	}
	if c.Access != nil && c.Access.JWT != nil {
		setDefault(&c.Access.JWT.TenantClaim, "tenant")
		setDefault(&c.Access.JWT.UserClaim, "sub")
	}
	setDefault(&c.Telemetry.LogLevel, "info")
	if c.Telemetry.TraceRatio == nil {
		c.Telemetry.TraceRatio = new(0.1)
	}
}

func (s *Server) setDefaults(modelTimeout time.Duration) {
	setDefault(&s.QueryAddress, ":8080")
	setDefault(&s.AdminAddress, ":9090")
	setDefault(&s.MaxInFlight, 8192)
	setDefault(&s.MaxQueued, 1024)
	setDefault(&s.QueryTimeout, modelTimeout+2*time.Second)
	setDefault(&s.QueueTimeout, min(time.Second, s.QueryTimeout))
	setDefault(&s.MaxBodyBytes, 1<<20)
	setDefault(&s.MaxQueryBytes, 32<<10)
	setDefault(&s.DrainDelay, 5*time.Second)
	setDefault(&s.DrainTimeout, s.QueryTimeout)
}

func (m *Model) setDefaults() {
	setDefault(&m.SystemPrompt, DefaultSystemPrompt)
	setDefault(&m.MaxOutputTokens, 512)
	setDefault(&m.Timeout, 30*time.Second)
	m.ModelProvider.setDefaults()
	for i := range m.Fallbacks {
		m.Fallbacks[i].setDefaults()
	}
}

func (p *ModelProvider) setDefaults() {
	if p.OpenAI != nil {
		setDefault(&p.OpenAI.BaseURL, "https://api.openai.com/v1")
	}
	if p.Anthropic != nil {
		setDefault(&p.Anthropic.BaseURL, "https://api.anthropic.com")
	}
}

func (e *Embedding) setDefaults() {
	if e.OpenAI != nil {
		setDefault(&e.OpenAI.BaseURL, "https://api.openai.com/v1")
	}
	if e.Lexical != nil {
		setDefault(&e.Dimensions, 2048)
	}
	setDefault(&e.Timeout, 10*time.Second)
	setDefault(&e.CacheEntries, 10_000)
}

func (v *VectorStore) setDefaults() {
	setDefault(&v.TopK, 5)
	setDefault(&v.Timeout, 10*time.Second)
	if v.Pinecone != nil {
		setDefault(&v.Pinecone.TextField, "text")
	}
	if v.Qdrant != nil {
		setDefault(&v.Qdrant.TextField, "text")
	}
	if v.Weaviate != nil {
		setDefault(&v.Weaviate.TextField, "text")
	}
	if p := v.PGVector; p != nil {
		setDefault(&p.Table, "documents")
		setDefault(&p.IDColumn, "id")
		setDefault(&p.TextColumn, "content")
		setDefault(&p.VectorColumn, "embedding")
		setDefault(&p.MetadataColumn, "metadata")
		setDefault(&p.PoolSize, 10)
	}
	if o := v.OpenSearch; o != nil {
		setDefault(&o.VectorField, "embedding")
		setDefault(&o.TextField, "text")
	}
	if v.HTTP != nil {
		setDefault(&v.HTTP.TextField, "text")
	}
}

func (c *Cache) setDefaults() {
	setDefault(&c.TTL, 5*time.Minute)
	setDefault(&c.Scope, ScopeShared)
	setDefault(&c.Budget, 25*time.Millisecond)
	setDefault(&c.WriteQueue, 1024)
	if c.Redis != nil {
		setDefault(&c.Redis.Mode, RedisStandalone)
		setDefault(&c.Redis.PoolSize, 20)
	}
	if c.Local != nil {
		setDefault(&c.Local.MaxBytes, 64<<20)
	}
	if c.Semantic != nil {
		setDefault(&c.Semantic.Threshold, 0.92)
		setDefault(&c.Semantic.MaxEntries, 10_000)
	}
	if c.FAQ != nil {
		setDefault(&c.FAQ.Threshold, 0.95)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
