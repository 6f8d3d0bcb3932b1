package ecs

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

var (
	azureAPIVersion = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(-preview)?$`)
	awsRegionName   = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)
	collectionName  = regexp.MustCompile(`^[A-Z][_0-9A-Za-z]*$`)
	indexName       = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	tableName       = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)?$`)
	redisAddress    = regexp.MustCompile(`^[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$`)
)

// isHTTP reports whether text is a URL that the API takes.
func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(text) <= 2048
}

// numberIn reads a number within bounds.
func numberIn(text string, least, most float64) (float64, bool) {
	value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return value, err == nil && value >= least && value <= most
}

// decimal writes a number with at most four decimals, as the API wants it.
func decimal(value float64) string {
	text := strconv.FormatFloat(value, 'f', 4, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

func durationOf(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// knownDimensions are the lengths of the vectors of models that services like these
// use.
var knownDimensions = map[string]int32{
	"all-minilm-l6-v2": 384, "all-minilm-l12-v2": 384, "all-mpnet-base-v2": 768, "multi-qa-minilm-l6-cos-v1": 384,
	"paraphrase-multilingual-minilm-l12-v2": 384, "bge-small-en-v1.5": 384, "bge-base-en-v1.5": 768, "bge-large-en-v1.5": 1024,
	"bge-m3": 1024, "e5-small-v2": 384, "e5-base-v2": 768, "e5-large-v2": 1024, "multilingual-e5-large": 1024,
	"gte-small": 384, "gte-base": 768, "gte-large": 1024,
	"text-embedding-ada-002": 1536, "text-embedding-3-small": 1536, "text-embedding-3-large": 3072,
}

// ragEmbedding finds the embedding. It must be the one that the documents in the
// store were embedded with, so it is never changed on the way.
func (w *workload) ragEmbedding(spec *api.RAGServiceSpec) {
	r := w.rag
	name := r.text(embeddingName)
	switch {
	case r.has(bedrockEmbedding):
		spec.Embedding.Bedrock = &api.BedrockModel{
			Model:  w.known(bedrockEmbedding, "spec.embedding.bedrock.model", "MODEL_TO_FILL_IN"),
			Region: w.bedrockRegion("spec.embedding.bedrock.region"),
		}
	case r.has(azureEmbedding) && r.has(azureURL):
		spec.Embedding.OpenAI = &api.OpenAIEmbedding{
			Model:          w.known(azureEmbedding, "spec.embedding.openAI.model", "DEPLOYMENT_TO_FILL_IN"),
			OpenAIEndpoint: w.azureEndpoint("spec.embedding.openAI", azureKey),
		}
	case strings.HasPrefix(name, "text-embedding-"):
		spec.Embedding.OpenAI = w.openAIEmbedding()
	case name != "" || r.has(embeddingURL):
		spec.Embedding.TextEmbeddingsInference = w.embeddingServer(name)
	default:
		spec.Embedding.OpenAI = &api.OpenAIEmbedding{Model: "text-embedding-3-small"}
		if r.has(modelKey) {
			spec.Embedding.OpenAI.APIKey = r.secret(modelKey, "spec.embedding.openAI.apiKey")
		}
		w.fillIn("spec.embedding", "OpenAI's text-embedding-3-small", "The settings name no embedding model, so this is a guess: it must be the one that the documents in the vector store were embedded with.")
	}
	w.ragDimensions(spec, name)
}

func (w *workload) ragDimensions(spec *api.RAGServiceSpec, name string) {
	r := w.rag
	known := knownDimensions[strings.ToLower(lastPart(name))]
	stated, ok := numberIn(r.text(embeddingSize), 1, 16384)
	switch {
	case ok && known > 0 && int32(stated) > known:
		r.refuse(embeddingSize, "The model has "+itoa(known)+" dimensions, which is fewer: one of the two is wrong. Left out.")
	case ok:
		spec.Embedding.Dimensions = new(int32(stated))
		r.use(embeddingSize, "spec.embedding.dimensions", "")
	case known > 0:
		spec.Embedding.Dimensions = new(known)
	}
}

func (w *workload) openAIEmbedding() *api.OpenAIEmbedding {
	r := w.rag
	embedding := &api.OpenAIEmbedding{Model: w.known(embeddingName, "spec.embedding.openAI.model", "")}
	if url := r.text(embeddingURL); isHTTP(url) {
		embedding.BaseURL = url
		r.use(embeddingURL, "spec.embedding.openAI.baseURL", "")
	}
	key := embeddingKey
	if !r.has(key) {
		key = modelKey
	}
	embedding.APIKey = r.secret(key, "spec.embedding.openAI.apiKey")
	return embedding
}

// embeddingServer is the server the old service called, or one that the operator runs
// for the model it ran in its own process: what each replica loaded for itself becomes
// one service that all of them call.
func (w *workload) embeddingServer(name string) *api.TextEmbeddingsInference {
	r := w.rag
	model := name
	if model != "" && !strings.Contains(model, "/") {
		model = "sentence-transformers/" + model // where sentence-transformers looks for bare names
	}
	server := &api.TextEmbeddingsInference{Model: model}
	if model != name {
		r.use(embeddingName, "spec.embedding.textEmbeddingsInference.model", "a bare name is looked for under sentence-transformers/.")
	}
	r.use(embeddingName, "spec.embedding.textEmbeddingsInference.model", "")
	if url := r.text(embeddingURL); isHTTP(url) {
		server.Endpoint = url
		r.use(embeddingURL, "spec.embedding.textEmbeddingsInference.endpoint", "it is a server of Text Embeddings Inference. If it speaks the OpenAI API, use spec.embedding.openAI.baseURL.")
		server.APIKey = r.secret(embeddingKey, "spec.embedding.textEmbeddingsInference.apiKey")
		return server
	}
	server.Model = cmp.Or(model, "sentence-transformers/all-MiniLM-L6-v2")
	w.task(ledger.Task{
		Step:   ledger.StepPrepare,
		Title:  "Check the vectors of the embedding server",
		Detail: "The old process ran the model " + server.Model + " itself; the operator runs a server of the same one for all replicas. Its vectors must be those that the documents in the vector store have: compare one before the cut-over.",
	})
	return server
}

func (w *workload) ragVectorStore(spec *api.RAGServiceSpec) {
	r, store := w.rag, &spec.VectorStore
	switch r.storeProvider() {
	case "Pinecone":
		store.Pinecone = w.pinecone()
	case "Qdrant":
		store.Qdrant = w.qdrant()
	case "Weaviate":
		store.Weaviate = w.weaviate()
	case "OpenSearch":
		store.OpenSearch = w.openSearch()
	case "pgvector":
		store.PGVector = &api.PGVector{DSN: w.databaseDSN("spec.vectorStore.pgvector.dsn")}
		if table := r.text(vectorTable); tableName.MatchString(table) {
			store.PGVector.Table = table
			r.use(vectorTable, "spec.vectorStore.pgvector.table", "")
		}
	case "HTTP":
		store.HTTP = &api.HTTPStore{URL: w.httpURL(storeURL, "spec.vectorStore.http.url", "http://vector-store-to-fill-in/query")}
	}
	r.use(storeKind, "spec.vectorStore", "")
	if k, ok := numberIn(r.text(topK), 1, 100); ok {
		store.TopK = int32(k)
		r.use(topK, "spec.vectorStore.topK", "")
	}
	if score, ok := numberIn(r.text(minimumScore), 0, 1); ok {
		store.MinScore = api.Ratio(decimal(score))
		r.use(minimumScore, "spec.vectorStore.minScore", "")
	}
}

// httpURL returns a part's URL and claims it, or a stand-in with a task to replace
// it.
func (w *workload) httpURL(p part, field, standIn string) string {
	text := w.rag.text(p)
	if !strings.Contains(text, "://") && text != "" {
		text = "https://" + text
	}
	if isHTTP(text) {
		w.rag.use(p, field, "")
		return text
	}
	w.rag.refuse(p, "The address is needed in the RAGService itself, "+field+".")
	w.fillIn(field, standIn, "The address is in a Secret or is no URL.")
	return standIn
}

func (w *workload) pinecone() *api.Pinecone {
	r := w.rag
	store := &api.Pinecone{
		IndexHost: "INDEX_HOST_TO_FILL_IN",
		APIKey:    *r.secret(pineconeKey, "spec.vectorStore.pinecone.apiKey"),
	}
	if host := r.text(pineconeHost); host != "" && len(host) <= 2048 {
		store.IndexHost = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/")
		r.use(pineconeHost, "spec.vectorStore.pinecone.indexHost", "")
	} else {
		r.refuse(pineconeHost, "The host of the index is needed in the RAGService itself: it is no secret.")
		r.refuse(pineconeIndex, "The name of the index; its host is needed, spec.vectorStore.pinecone.indexHost.")
		w.fillIn("spec.vectorStore.pinecone.indexHost", store.IndexHost, "The Pinecone console shows the host of the index; so does its API's describe_index.")
	}
	if namespace := r.text(pineconeNamespace); namespace != "" && len(namespace) <= 253 {
		store.Namespace = namespace
		r.use(pineconeNamespace, "spec.vectorStore.pinecone.namespace", "")
	}
	if field := r.text(storeTextField); field != "" && len(field) <= 253 {
		store.TextField = field
		r.use(storeTextField, "spec.vectorStore.pinecone.textField", "")
	}
	return store
}

func (w *workload) qdrant() *api.Qdrant {
	r := w.rag
	store := &api.Qdrant{
		Collection: w.known(qdrantCollection, "spec.vectorStore.qdrant.collection", "COLLECTION_TO_FILL_IN"),
		APIKey:     r.secret(qdrantKey, "spec.vectorStore.qdrant.apiKey"),
		Endpoint:   "qdrant-to-fill-in:6334",
	}
	address := r.text(qdrantURL)
	if address == "" {
		w.fillIn("spec.vectorStore.qdrant.endpoint", store.Endpoint, "The address is in a Secret.")
		return store
	}
	secure := strings.HasPrefix(address, "https://")
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"), "/")
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	port := "6334"
	if s := r.parts[qdrantPort]; s != nil && strings.Contains(strings.ToUpper(s.name), "GRPC") && r.text(qdrantPort) != "" {
		port = r.text(qdrantPort)
		r.use(qdrantPort, "spec.vectorStore.qdrant.endpoint", "")
	}
	store.Endpoint = host + ":" + port
	if secure {
		store.Endpoint = "https://" + store.Endpoint
	}
	r.use(qdrantURL, "spec.vectorStore.qdrant.endpoint", "gRPC is on port "+port+"; the old service spoke HTTP.")
	return store
}

func (w *workload) weaviate() *api.Weaviate {
	r := w.rag
	store := &api.Weaviate{
		Endpoint:   w.httpURL(weaviateURL, "spec.vectorStore.weaviate.endpoint", "http://weaviate-to-fill-in:8080"),
		Collection: "Documents",
		APIKey:     r.secret(weaviateKey, "spec.vectorStore.weaviate.apiKey"),
	}
	name := r.text(weaviateCollection)
	if name != "" {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	if collectionName.MatchString(name) {
		store.Collection = name
		r.use(weaviateCollection, "spec.vectorStore.weaviate.collection", "")
	} else {
		w.fillIn("spec.vectorStore.weaviate.collection", store.Collection, "The settings do not name the collection.")
	}
	return store
}

func (w *workload) openSearch() *api.OpenSearch {
	r := w.rag
	store := &api.OpenSearch{
		Endpoint: w.httpURL(openSearchURL, "spec.vectorStore.openSearch.endpoint", "https://opensearch-to-fill-in:9200"),
		Index:    "index-to-fill-in",
	}
	if index := r.text(openSearchIndex); indexName.MatchString(index) {
		store.Index = index
		r.use(openSearchIndex, "spec.vectorStore.openSearch.index", "")
	} else {
		w.fillIn("spec.vectorStore.openSearch.index", store.Index, "The settings do not name the index.")
	}
	if r.has(openSearchPassword) {
		ref := w.composeSecret("opensearch-basic-auth", "user:password of OpenSearch", []template{
			{part: openSearchUser, fallback: "admin"}, {text: ":"}, {part: openSearchPassword},
		}, "spec.vectorStore.openSearch.basicAuth")
		store.BasicAuth = &ref
	}
	return store
}
