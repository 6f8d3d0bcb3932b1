package v1alpha1

// VectorStore is where passages are found.
//
// +kubebuilder:validation:XValidation:rule="[has(self.pinecone), has(self.qdrant), has(self.weaviate), has(self.pgvector), has(self.openSearch), has(self.http), has(self.memory)].filter(set, set).size() == 1",message="exactly one provider must be set: pinecone, qdrant, weaviate, pgvector, openSearch, http or memory"
type VectorStore struct {
	// pinecone is an index of Pinecone.
	// +optional
	Pinecone *Pinecone `json:"pinecone,omitempty"`

	// qdrant is a collection of Qdrant.
	// +optional
	Qdrant *Qdrant `json:"qdrant,omitempty"`

	// weaviate is a collection of Weaviate.
	// +optional
	Weaviate *Weaviate `json:"weaviate,omitempty"`

	// pgvector is a table of PostgreSQL with the pgvector extension.
	// +optional
	PGVector *PGVector `json:"pgvector,omitempty"`

	// openSearch is a k-NN index of OpenSearch.
	// +optional
	OpenSearch *OpenSearch `json:"openSearch,omitempty"`

	// http is a service with a POST URL that takes vector, top_k and
	// include_metadata and answers with matches.
	// +optional
	HTTP *HTTPStore `json:"http,omitempty"`

	// memory holds documents from ConfigMaps in each pod's memory, searched
	// exactly. For small sets that change with a rollout.
	// +optional
	Memory *MemoryStore `json:"memory,omitempty"`

	// topK is how many passages a question is answered from. Defaults to 5.
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	TopK int32 `json:"topK,omitempty"`

	// minScore leaves out passages that are less similar to the question (cosine
	// similarity). Defaults to "0".
	// +kubebuilder:default="0"
	// +optional
	MinScore Ratio `json:"minScore,omitempty"`
}

// Pinecone is an index of Pinecone.
type Pinecone struct {
	// indexHost is the host of the index, as the Pinecone console shows it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	IndexHost string `json:"indexHost"`

	// namespace within the index.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// textField is the metadata field that holds the passage. Defaults to text.
	// +kubebuilder:default=text
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TextField string `json:"textField,omitempty"`

	// apiKey of the project.
	// +required
	APIKey SecretKey `json:"apiKey"`
}

// Qdrant is a collection of Qdrant.
type Qdrant struct {
	// endpoint is host:port of the gRPC API (port 6334 by default), with
	// https:// ahead of it for TLS.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Endpoint string `json:"endpoint"`

	// collection to search.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +required
	Collection string `json:"collection"`

	// textField is the payload field that holds the passage. Defaults to text.
	// +kubebuilder:default=text
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TextField string `json:"textField,omitempty"`

	// apiKey of the cluster.
	// +optional
	APIKey *SecretKey `json:"apiKey,omitempty"`
}

// Weaviate is a collection of Weaviate.
type Weaviate struct {
	// endpoint is the URL of the server.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as http://weaviate:8080"
	// +required
	Endpoint string `json:"endpoint"`

	// collection to search; its name starts with a capital.
	// +kubebuilder:validation:Pattern=`^[A-Z][_0-9A-Za-z]*$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Collection string `json:"collection"`

	// textField is the property that holds the passage. Defaults to text.
	// +kubebuilder:default=text
	// +kubebuilder:validation:Pattern=`^[_A-Za-z][_0-9A-Za-z]*$`
	// +kubebuilder:validation:MaxLength=231
	// +optional
	TextField string `json:"textField,omitempty"`

	// apiKey of the server.
	// +optional
	APIKey *SecretKey `json:"apiKey,omitempty"`
}

// PGVector is a table of PostgreSQL with the pgvector extension.
type PGVector struct {
	// dsn is the connection string, such as
	// postgres://user:password@host:5432/database.
	// +required
	DSN SecretKey `json:"dsn"`

	// table to search, with its schema where it is not on the search path.
	// Defaults to documents.
	// +kubebuilder:default=documents
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)?$`
	// +kubebuilder:validation:MaxLength=127
	// +optional
	Table string `json:"table,omitempty"`

	// idColumn holds the passage's id. Defaults to id.
	// +kubebuilder:default=id
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	IDColumn string `json:"idColumn,omitempty"`

	// textColumn holds the passage. Defaults to content.
	// +kubebuilder:default=content
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	TextColumn string `json:"textColumn,omitempty"`

	// vectorColumn holds the embedding. Defaults to embedding.
	// +kubebuilder:default=embedding
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	VectorColumn string `json:"vectorColumn,omitempty"`

	// metadataColumn holds a jsonb object with the passage's metadata. Defaults to
	// metadata.
	// +kubebuilder:default=metadata
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=63
	// +optional
	MetadataColumn string `json:"metadataColumn,omitempty"`

	// poolSize is the most connections one replica opens. Defaults to 10.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	PoolSize int32 `json:"poolSize,omitempty"`

	// maxConnections is how many connections the server has for this service, such
	// as max_connections, the limit of a role or the pool of a PgBouncer.
	// Declared, the condition MaxReplicasSupported judges by it.
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxConnections int32 `json:"maxConnections,omitempty"`
}

// OpenSearch is a k-NN index of OpenSearch.
type OpenSearch struct {
	// endpoint is the URL of the cluster.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as https://opensearch:9200"
	// +required
	Endpoint string `json:"endpoint"`

	// index to search.
	// +kubebuilder:validation:Pattern=`^[a-z0-9][a-z0-9._-]*$`
	// +kubebuilder:validation:MaxLength=255
	// +required
	Index string `json:"index"`

	// vectorField is the knn_vector field. Defaults to embedding.
	// +kubebuilder:default=embedding
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	VectorField string `json:"vectorField,omitempty"`

	// textField holds the passage. Defaults to text.
	// +kubebuilder:default=text
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TextField string `json:"textField,omitempty"`

	// basicAuth is the Secret key that holds user:password.
	// +optional
	BasicAuth *SecretKey `json:"basicAuth,omitempty"`
}

// HTTPStore is a service that answers vector queries over HTTP.
type HTTPStore struct {
	// url takes the POST.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as http://vectors:8000/query"
	// +required
	URL string `json:"url"`

	// textField is the metadata field of a match that holds the passage. Defaults
	// to text.
	// +kubebuilder:default=text
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	TextField string `json:"textField,omitempty"`

	// apiKey is sent as the bearer token.
	// +optional
	APIKey *SecretKey `json:"apiKey,omitempty"`
}

// MemoryStore holds documents in each pod's memory.
type MemoryStore struct {
	// documents fill the store.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +required
	Documents []DocumentSource `json:"documents"`
}

// DocumentSource is where documents come from.
type DocumentSource struct {
	// configMap holds one document a key: Markdown (.md), plain text (.txt) or
	// HTML (.html).
	// +required
	ConfigMap ConfigMapSource `json:"configMap"`
}

// ConfigMapSource names a ConfigMap in the service's own namespace.
type ConfigMapSource struct {
	// name of the ConfigMap.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}
