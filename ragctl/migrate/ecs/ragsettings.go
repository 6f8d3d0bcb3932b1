package ecs

import "ragops.dev/ragservice/ragctl/migrate/ledger"

// part is a part of a RAG service that a setting says something of.
type part string

const (
	modelKey, modelName, modelURL          part = "model key", "model name", "model URL"
	modelTemperature, modelTokens          part = "temperature", "output tokens"
	modelPrompt, modelTimeout              part = "system prompt", "model timeout"
	azureURL, azureKey, azureDeployment    part = "Azure endpoint", "Azure key", "Azure deployment"
	azureVersion, azureEmbedding           part = "Azure API version", "Azure embedding deployment"
	anthropicKey, anthropicName            part = "Anthropic key", "Anthropic model"
	anthropicURL                           part = "Anthropic URL"
	bedrockName, bedrockRegion             part = "Bedrock model", "Bedrock region"
	bedrockEmbedding                       part = "Bedrock embedding model"
	embeddingName, embeddingURL            part = "embedding model", "embedding URL"
	embeddingSize, embeddingKey            part = "embedding dimensions", "embedding key"
	storeKind, storeURL                    part = "kind of vector store", "vector store URL"
	pineconeKey, pineconeHost              part = "Pinecone key", "Pinecone index host"
	pineconeIndex, pineconeNamespace       part = "Pinecone index", "Pinecone namespace"
	pineconeEnvironment, storeTextField    part = "Pinecone environment", "text field"
	qdrantURL, qdrantPort                  part = "Qdrant address", "Qdrant port"
	qdrantCollection, qdrantKey            part = "Qdrant collection", "Qdrant key"
	weaviateURL, weaviateCollection        part = "Weaviate URL", "Weaviate collection"
	weaviateKey                            part = "Weaviate key"
	openSearchURL, openSearchIndex         part = "OpenSearch URL", "OpenSearch index"
	openSearchUser, openSearchPassword     part = "OpenSearch user", "OpenSearch password"
	databaseURL, databaseHost              part = "database URL", "database host"
	databasePort, databaseUser             part = "database port", "database user"
	databasePassword, databaseName         part = "database password", "database name"
	vectorTable, contextQuery              part = "vector table", "user context query"
	contextTable                           part = "user context table"
	redisURL, redisHost, redisPort         part = "Redis URL", "Redis host", "Redis port"
	redisPassword, redisUser, redisNumber  part = "Redis password", "Redis user", "Redis database"
	redisTLS, redisPool, redisCluster      part = "Redis TLS", "Redis pool", "Redis cluster"
	cacheTTL, cachePrefix, cacheOn         part = "cache TTL", "cache key prefix", "cache switch"
	semanticThreshold, topK, minimumScore  part = "semantic threshold", "top k", "least score"
	serverPort, serverWorkers, serverOther part = "server port", "server workers", "server setting"
	awsRegion                              part = "AWS region"
)

// ragSetting says which variables hold a part, and where it goes in a RAGService.
type ragSetting struct {
	part   part
	names  string        // of variables, exact, separated by spaces
	target string        // in the RAGService; empty where nothing takes it over
	bucket ledger.Bucket // what becomes of it where no step of the conversion uses it
	note   string
}

// ragSettings is what the conversion recognises. The matrix in the docs holds it.
var ragSettings = []ragSetting{
	{modelKey, "OPENAI_API_KEY OPENAI_KEY OPENAI_TOKEN LLM_API_KEY", "spec.model.openAI.apiKey", dropped, "The key of a provider that the service does not use."},
	{modelName, "OPENAI_MODEL OPENAI_MODEL_NAME OPENAI_CHAT_MODEL LLM_MODEL LLM_MODEL_NAME CHAT_MODEL GENERATION_MODEL GPT_MODEL MODEL_NAME", "spec.model.openAI.model", human, "A model's name beside another one: check which is used."},
	{modelURL, "OPENAI_BASE_URL OPENAI_API_BASE OPENAI_ENDPOINT LLM_BASE_URL LLM_ENDPOINT LLM_URL VLLM_URL OLLAMA_HOST OLLAMA_BASE_URL", "spec.model.openAI.baseURL", human, "The address of a provider that the service does not seem to use."},
	{modelTemperature, "TEMPERATURE LLM_TEMPERATURE OPENAI_TEMPERATURE MODEL_TEMPERATURE", "spec.model.temperature", human, "Not a number from 0 to 2."},
	{modelTokens, "MAX_TOKENS LLM_MAX_TOKENS OPENAI_MAX_TOKENS MAX_OUTPUT_TOKENS MAX_NEW_TOKENS", "spec.model.maxOutputTokens", human, "Not a number of tokens."},
	{modelPrompt, "SYSTEM_PROMPT LLM_SYSTEM_PROMPT PROMPT_SYSTEM", "spec.model.systemPrompt", human, "Longer than a RAGService takes, or in a Secret."},
	{modelTimeout, "OPENAI_TIMEOUT LLM_TIMEOUT MODEL_TIMEOUT GENERATION_TIMEOUT", "spec.model.timeout", human, "Not a number of seconds."},
	{azureURL, "AZURE_OPENAI_ENDPOINT AZURE_OPENAI_BASE AZURE_OPENAI_API_BASE", "spec.model.openAI.baseURL", human, ""},
	{azureKey, "AZURE_OPENAI_API_KEY AZURE_OPENAI_KEY", "spec.model.openAI.apiKey", human, ""},
	{azureDeployment, "AZURE_OPENAI_DEPLOYMENT AZURE_OPENAI_DEPLOYMENT_NAME AZURE_OPENAI_CHAT_DEPLOYMENT AZURE_OPENAI_CHAT_DEPLOYMENT_NAME", "spec.model.openAI.model", human, ""},
	{azureVersion, "AZURE_OPENAI_API_VERSION OPENAI_API_VERSION", "spec.model.openAI.azure.apiVersion", dropped, "Of Azure OpenAI, which the service does not use."},
	{azureEmbedding, "AZURE_OPENAI_EMBEDDING_DEPLOYMENT AZURE_OPENAI_EMBEDDING_DEPLOYMENT_NAME AZURE_OPENAI_EMBEDDINGS_DEPLOYMENT", "spec.embedding.openAI.model", human, ""},
	{anthropicKey, "ANTHROPIC_API_KEY CLAUDE_API_KEY", "spec.model.anthropic.apiKey", human, "The key of a second provider: add it to spec.model.fallbacks if it is one."},
	{anthropicName, "ANTHROPIC_MODEL ANTHROPIC_MODEL_NAME CLAUDE_MODEL", "spec.model.anthropic.model", human, "The model of a second provider: add it to spec.model.fallbacks if it is one."},
	{anthropicURL, "ANTHROPIC_BASE_URL ANTHROPIC_API_URL", "spec.model.anthropic.baseURL", human, ""},
	{bedrockName, "BEDROCK_MODEL_ID BEDROCK_MODEL BEDROCK_LLM_MODEL_ID BEDROCK_LLM_MODEL BEDROCK_CHAT_MODEL_ID", "spec.model.bedrock.model", human, "The model of a second provider: add it to spec.model.fallbacks if it is one."},
	{bedrockRegion, "BEDROCK_REGION BEDROCK_AWS_REGION", "spec.model.bedrock.region", human, ""},
	{bedrockEmbedding, "BEDROCK_EMBEDDING_MODEL_ID BEDROCK_EMBEDDING_MODEL BEDROCK_EMBEDDINGS_MODEL_ID", "spec.embedding.bedrock.model", human, ""},
	{embeddingName, "EMBEDDING_MODEL EMBEDDING_MODEL_NAME EMBEDDING_MODEL_ID EMBEDDINGS_MODEL EMBED_MODEL OPENAI_EMBEDDING_MODEL SENTENCE_TRANSFORMER_MODEL SENTENCE_TRANSFORMERS_MODEL", "spec.embedding", human, ""},
	{embeddingURL, "EMBEDDING_URL EMBEDDING_SERVICE_URL EMBEDDING_ENDPOINT EMBEDDING_API_URL EMBEDDINGS_URL TEI_URL TEI_ENDPOINT", "spec.embedding.textEmbeddingsInference.endpoint", human, ""},
	{embeddingSize, "EMBEDDING_DIM EMBEDDING_DIMENSION EMBEDDING_DIMENSIONS EMBEDDING_SIZE VECTOR_DIM VECTOR_DIMENSION VECTOR_SIZE", "spec.embedding.dimensions", human, "Not a number of dimensions."},
	{embeddingKey, "EMBEDDING_API_KEY TEI_API_KEY", "spec.embedding.textEmbeddingsInference.apiKey", human, ""},
	{storeKind, "VECTOR_STORE VECTOR_DB VECTOR_DATABASE VECTORSTORE VECTOR_STORE_TYPE VECTOR_DB_TYPE", "spec.vectorStore", near, "Which of the stores is used."},
	{storeURL, "VECTOR_STORE_URL VECTOR_DB_URL VECTOR_DB_ENDPOINT VECTOR_STORE_ENDPOINT VECTOR_SEARCH_URL RETRIEVAL_URL", "spec.vectorStore.http.url", human, "The address of a vector store beside another one: check which is used."},
	{pineconeKey, "PINECONE_API_KEY PINECONE_KEY", "spec.vectorStore.pinecone.apiKey", human, ""},
	{pineconeHost, "PINECONE_INDEX_HOST PINECONE_HOST PINECONE_INDEX_URL PINECONE_URL", "spec.vectorStore.pinecone.indexHost", human, ""},
	{pineconeIndex, "PINECONE_INDEX PINECONE_INDEX_NAME", "spec.vectorStore.pinecone.indexHost", dropped, "The host names the index."},
	{pineconeNamespace, "PINECONE_NAMESPACE", "spec.vectorStore.pinecone.namespace", human, ""},
	{pineconeEnvironment, "PINECONE_ENVIRONMENT PINECONE_ENV PINECONE_REGION PINECONE_CLOUD", "", dropped, "The host of the index says where it is."},
	{storeTextField, "PINECONE_TEXT_FIELD PINECONE_TEXT_KEY VECTOR_TEXT_FIELD TEXT_FIELD", "spec.vectorStore.*.textField", human, ""},
	{qdrantURL, "QDRANT_URL QDRANT_HOST QDRANT_ENDPOINT", "spec.vectorStore.qdrant.endpoint", human, ""},
	{qdrantPort, "QDRANT_PORT QDRANT_GRPC_PORT", "spec.vectorStore.qdrant.endpoint", human, "The runtime speaks gRPC, on 6334 by default."},
	{qdrantCollection, "QDRANT_COLLECTION QDRANT_COLLECTION_NAME", "spec.vectorStore.qdrant.collection", human, ""},
	{qdrantKey, "QDRANT_API_KEY", "spec.vectorStore.qdrant.apiKey", human, ""},
	{weaviateURL, "WEAVIATE_URL WEAVIATE_HOST WEAVIATE_ENDPOINT WEAVIATE_CLUSTER_URL", "spec.vectorStore.weaviate.endpoint", human, ""},
	{weaviateCollection, "WEAVIATE_COLLECTION WEAVIATE_CLASS WEAVIATE_CLASS_NAME WEAVIATE_INDEX_NAME", "spec.vectorStore.weaviate.collection", human, ""},
	{weaviateKey, "WEAVIATE_API_KEY", "spec.vectorStore.weaviate.apiKey", human, ""},
	{openSearchURL, "OPENSEARCH_URL OPENSEARCH_HOST OPENSEARCH_ENDPOINT", "spec.vectorStore.openSearch.endpoint", human, ""},
	{openSearchIndex, "OPENSEARCH_INDEX OPENSEARCH_INDEX_NAME", "spec.vectorStore.openSearch.index", human, ""},
	{openSearchUser, "OPENSEARCH_USER OPENSEARCH_USERNAME", "spec.vectorStore.openSearch.basicAuth", human, ""},
	{openSearchPassword, "OPENSEARCH_PASSWORD", "spec.vectorStore.openSearch.basicAuth", human, ""},
	{databaseURL, "DATABASE_URL POSTGRES_URL POSTGRES_DSN POSTGRES_URI POSTGRES_CONNECTION_STRING PG_DSN PG_URL DB_URL PGVECTOR_URL PGVECTOR_CONNECTION_STRING", "spec.userContext.postgres.dsn or spec.vectorStore.pgvector.dsn", human, "The user context's, unless the vectors are in PostgreSQL."},
	{databaseHost, "POSTGRES_HOST PGHOST DB_HOST", "spec.userContext.postgres.dsn or spec.vectorStore.pgvector.dsn", human, ""},
	{databasePort, "POSTGRES_PORT PGPORT DB_PORT", "spec.userContext.postgres.dsn or spec.vectorStore.pgvector.dsn", human, ""},
	{databaseUser, "POSTGRES_USER POSTGRES_USERNAME PGUSER DB_USER DB_USERNAME", "spec.userContext.postgres.dsn or spec.vectorStore.pgvector.dsn", human, ""},
	{databasePassword, "POSTGRES_PASSWORD PGPASSWORD DB_PASSWORD", "spec.userContext.postgres.dsn or spec.vectorStore.pgvector.dsn", human, ""},
	{databaseName, "POSTGRES_DB POSTGRES_DATABASE PGDATABASE DB_NAME DB_DATABASE", "spec.userContext.postgres.dsn or spec.vectorStore.pgvector.dsn", human, ""},
	{vectorTable, "PGVECTOR_TABLE VECTOR_TABLE PGVECTOR_TABLE_NAME", "spec.vectorStore.pgvector.table", human, ""},
	{contextQuery, "USER_CONTEXT_QUERY USER_PREFERENCES_QUERY", "spec.userContext.postgres.query", human, "The user's id is $1 in the query."},
	{contextTable, "USER_CONTEXT_TABLE USER_PREFERENCES_TABLE", "spec.userContext.postgres.query", human, ""},
	{redisURL, "REDIS_URL REDIS_URI CACHE_REDIS_URL CACHE_URL ELASTICACHE_URL", "spec.cache.redis.external", human, ""},
	{redisHost, "REDIS_HOST REDIS_ENDPOINT REDIS_HOSTNAME CACHE_HOST ELASTICACHE_ENDPOINT", "spec.cache.redis.external.addresses", human, ""},
	{redisPort, "REDIS_PORT CACHE_PORT", "spec.cache.redis.external.addresses", dropped, "6379 is the default."},
	{redisPassword, "REDIS_PASSWORD REDIS_AUTH_TOKEN REDIS_AUTH CACHE_PASSWORD", "spec.cache.redis.external.password", human, ""},
	{redisUser, "REDIS_USERNAME REDIS_USER", "spec.cache.redis.external.username", human, ""},
	{redisNumber, "REDIS_DB REDIS_DATABASE CACHE_DB", "spec.cache.redis.external.database", human, ""},
	{redisTLS, "REDIS_SSL REDIS_TLS REDIS_USE_SSL REDIS_USE_TLS", "spec.cache.redis.external.tls", dropped, "Off."},
	{redisPool, "REDIS_MAX_CONNECTIONS REDIS_POOL_SIZE REDIS_POOL_MAX", "spec.cache.redis.poolSize", human, "Not a number from 1 to 1000."},
	{redisCluster, "REDIS_CLUSTER REDIS_CLUSTER_MODE REDIS_CLUSTER_ENABLED", "spec.cache.redis.external.mode", dropped, "Off."},
	{cacheTTL, "CACHE_TTL CACHE_TTL_SECONDS REDIS_TTL CACHE_EXPIRY CACHE_EXPIRATION CACHE_TIMEOUT", "spec.cache.ttl", human, "Not a number of seconds."},
	{cachePrefix, "CACHE_PREFIX CACHE_KEY_PREFIX REDIS_PREFIX REDIS_KEY_PREFIX", "spec.cache.legacyKeys", human, "Only keys of the form cache:{query} can be shared with the old service."},
	{cacheOn, "CACHE_ENABLED ENABLE_CACHE USE_CACHE", "spec.cache", near, "The cache is there or it is not."},
	{semanticThreshold, "SEMANTIC_CACHE_THRESHOLD CACHE_SIMILARITY_THRESHOLD", "spec.cache.semantic.threshold", human, "Not a ratio."},
	{topK, "TOP_K RETRIEVAL_TOP_K VECTOR_TOP_K SEARCH_TOP_K RAG_TOP_K", "spec.vectorStore.topK", human, "Not a number from 1 to 100."},
	{minimumScore, "MIN_SCORE SCORE_THRESHOLD SIMILARITY_THRESHOLD RETRIEVAL_MIN_SCORE", "spec.vectorStore.minScore", human, "Not a ratio."},
	{serverPort, "PORT SERVER_PORT APP_PORT HTTP_PORT FLASK_RUN_PORT UVICORN_PORT", "", dropped, "The query runtime listens on 8080; the Service hides it."},
	{serverWorkers, "WORKERS WEB_CONCURRENCY GUNICORN_WORKERS UVICORN_WORKERS NUM_WORKERS THREADS GUNICORN_THREADS", "", dropped, "One process of the query runtime uses all CPUs it is given."},
	{serverOther, "FLASK_ENV FLASK_APP FLASK_DEBUG PYTHONUNBUFFERED PYTHONPATH PYTHONDONTWRITEBYTECODE GUNICORN_CMD_ARGS UVICORN_HOST UVICORN_LOG_LEVEL HOST LOG_LEVEL TOKENIZERS_PARALLELISM HF_HOME TRANSFORMERS_CACHE SENTENCE_TRANSFORMERS_HOME", "", dropped, "A setting of the Python process, which is gone."},
	{awsRegion, "AWS_REGION AWS_DEFAULT_REGION", "spec.model.bedrock.region", dropped, "Only Bedrock needs it."},
}
