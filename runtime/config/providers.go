package config

import "time"

// Model is the generation model and how it is asked.
type Model struct {
	ModelProvider `yaml:",inline"`
	// SystemPrompt is said ahead of every conversation.
	SystemPrompt string `yaml:"systemPrompt,omitempty"`
	// MaxOutputTokens bounds an answer; 512 by default.
	MaxOutputTokens int `yaml:"maxOutputTokens,omitempty"`
	// Temperature of sampling, 0 to 2; nil leaves it to the model.
	Temperature *float64 `yaml:"temperature,omitempty"`
	// Timeout bounds one query's generation, retries and fallbacks included; 30s
	// by default.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// Fallbacks are asked in order when the model fails.
	Fallbacks []ModelProvider `yaml:"fallbacks,omitempty"`
}

// ModelProvider has exactly one member set.
type ModelProvider struct {
	OpenAI     *OpenAI     `yaml:"openAI,omitempty"`
	Anthropic  *Anthropic  `yaml:"anthropic,omitempty"`
	Bedrock    *Bedrock    `yaml:"bedrock,omitempty"`
	Extractive *Extractive `yaml:"extractive,omitempty"`
}

// OpenAI is a server that speaks the OpenAI API, for chat or for embeddings.
type OpenAI struct {
	Model string `yaml:"model"`
	// BaseURL up to the version; https://api.openai.com/v1 by default.
	BaseURL string `yaml:"baseURL,omitempty"`
	// APIKeyFile holds the key; read again when it changes. Empty sends none.
	APIKeyFile string `yaml:"apiKeyFile,omitempty"`
	// AzureAPIVersion makes the client speak to Azure OpenAI.
	AzureAPIVersion string `yaml:"azureAPIVersion,omitempty"`
}

// Anthropic is the Messages API.
type Anthropic struct {
	Model string `yaml:"model"`
	// BaseURL without the version; https://api.anthropic.com by default.
	BaseURL    string `yaml:"baseURL,omitempty"`
	APIKeyFile string `yaml:"apiKeyFile"`
}

// Bedrock is a model of Amazon Bedrock, with the default AWS credential chain.
type Bedrock struct {
	Model  string `yaml:"model"`
	Region string `yaml:"region"`
	// Endpoint replaces the region's own.
	Endpoint string `yaml:"endpoint,omitempty"`
}

// Extractive answers with the best passages, quoted.
type Extractive struct{}

// Embedding has exactly one provider set.
type Embedding struct {
	OpenAI                  *OpenAI                  `yaml:"openAI,omitempty"`
	TextEmbeddingsInference *TextEmbeddingsInference `yaml:"textEmbeddingsInference,omitempty"`
	Bedrock                 *Bedrock                 `yaml:"bedrock,omitempty"`
	Lexical                 *Lexical                 `yaml:"lexical,omitempty"`
	// Dimensions of a vector; 0 takes what the provider gives (lexical: 2048).
	Dimensions int `yaml:"dimensions,omitempty"`
	// Timeout bounds one call; 10s by default.
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// CacheEntries is how many question vectors are kept in memory; 10,000 by
	// default.
	CacheEntries int `yaml:"cacheEntries,omitempty"`
}

// TextEmbeddingsInference is a server of that name.
type TextEmbeddingsInference struct {
	Endpoint string `yaml:"endpoint"`
	// Model names the embedding in cache keys.
	Model      string `yaml:"model,omitempty"`
	APIKeyFile string `yaml:"apiKeyFile,omitempty"`
}

// Lexical hashes words and character n-grams.
type Lexical struct{}

// VectorStore has exactly one provider set.
type VectorStore struct {
	Pinecone   *Pinecone   `yaml:"pinecone,omitempty"`
	Qdrant     *Qdrant     `yaml:"qdrant,omitempty"`
	Weaviate   *Weaviate   `yaml:"weaviate,omitempty"`
	PGVector   *PGVector   `yaml:"pgvector,omitempty"`
	OpenSearch *OpenSearch `yaml:"openSearch,omitempty"`
	HTTP       *HTTPStore  `yaml:"http,omitempty"`
	Memory     *Memory     `yaml:"memory,omitempty"`
	// TopK passages per question; 5 by default.
	TopK int `yaml:"topK,omitempty"`
	// MinScore leaves out passages below this cosine similarity; 0 by default.
	MinScore float64 `yaml:"minScore,omitempty"`
	// Timeout bounds one search; 10s by default.
	Timeout time.Duration `yaml:"timeout,omitempty"`
}

// Pinecone is an index of Pinecone.
type Pinecone struct {
	IndexHost  string `yaml:"indexHost"`
	Namespace  string `yaml:"namespace,omitempty"`
	TextField  string `yaml:"textField,omitempty"`
	APIKeyFile string `yaml:"apiKeyFile"`
}

// Qdrant is a collection of Qdrant, over gRPC.
type Qdrant struct {
	// Endpoint is host:port, with https:// ahead of it for TLS.
	Endpoint   string `yaml:"endpoint"`
	Collection string `yaml:"collection"`
	TextField  string `yaml:"textField,omitempty"`
	APIKeyFile string `yaml:"apiKeyFile,omitempty"`
}

// Weaviate is a collection of Weaviate.
type Weaviate struct {
	Endpoint   string `yaml:"endpoint"`
	Collection string `yaml:"collection"`
	TextField  string `yaml:"textField,omitempty"`
	APIKeyFile string `yaml:"apiKeyFile,omitempty"`
}

// PGVector is a table of PostgreSQL with the pgvector extension.
type PGVector struct {
	DSNFile        string `yaml:"dsnFile"`
	Table          string `yaml:"table,omitempty"`
	IDColumn       string `yaml:"idColumn,omitempty"`
	TextColumn     string `yaml:"textColumn,omitempty"`
	VectorColumn   string `yaml:"vectorColumn,omitempty"`
	MetadataColumn string `yaml:"metadataColumn,omitempty"`
	PoolSize       int    `yaml:"poolSize,omitempty"`
}

// OpenSearch is a k-NN index of OpenSearch.
type OpenSearch struct {
	Endpoint    string `yaml:"endpoint"`
	Index       string `yaml:"index"`
	VectorField string `yaml:"vectorField,omitempty"`
	TextField   string `yaml:"textField,omitempty"`
	// BasicAuthFile holds user:password.
	BasicAuthFile string `yaml:"basicAuthFile,omitempty"`
}

// HTTPStore is a service that answers vector queries over HTTP.
type HTTPStore struct {
	URL        string `yaml:"url"`
	TextField  string `yaml:"textField,omitempty"`
	APIKeyFile string `yaml:"apiKeyFile,omitempty"`
}

// Memory holds documents in memory.
type Memory struct {
	// Documents are folders of .md, .txt and .html files, or single such files.
	Documents []string `yaml:"documents"`
}
