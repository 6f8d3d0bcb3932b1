package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Model is the generation model, how it is asked, and what answers when it
// does not.
type Model struct {
	ModelProvider `json:",inline"`

	// systemPrompt is said to the model ahead of every conversation. Defaults to
	// "You are a helpful assistant. Answer from the context given; when it does
	// not hold the answer, say so."
	// +kubebuilder:default="You are a helpful assistant. Answer from the context given; when it does not hold the answer, say so."
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	SystemPrompt string `json:"systemPrompt,omitempty"`

	// maxOutputTokens bounds the length of an answer, in the model's tokens.
	// Defaults to 512.
	// +kubebuilder:default=512
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	MaxOutputTokens int32 `json:"maxOutputTokens,omitempty"`

	// temperature is the sampling temperature, as a decimal string between "0"
	// and "2". Leave it out for the model's own default.
	// +kubebuilder:validation:MaxLength=6
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01]([.][0-9]{1,4})?|2([.]0{1,4})?)$')",message="must be a number between 0 and 2, as a string, such as \"0.2\""
	// +optional
	Temperature string `json:"temperature,omitempty"`

	// timeout bounds one call of the model, from the first byte sent to the last
	// byte received; retries and fallbacks share it. Defaults to 30s.
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="must be between 100ms and 1h"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// rateLimit is what the provider allows. Declared, the condition
	// MaxReplicasSupported judges by it; calls are not held back.
	// +optional
	RateLimit *ModelRateLimit `json:"rateLimit,omitempty"`

	// fallbacks are asked in order when the model fails or its breaker is open.
	// +kubebuilder:validation:MaxItems=4
	// +listType=atomic
	// +optional
	Fallbacks []ModelProvider `json:"fallbacks,omitempty"`
}

// ModelRateLimit is what the provider of a model allows.
type ModelRateLimit struct {
	// requestsPerMinute of the account or deployment that the model is asked with.
	// +kubebuilder:validation:Minimum=1
	// +required
	RequestsPerMinute int32 `json:"requestsPerMinute"`
}

// ModelProvider is one provider of a generation model.
//
// +kubebuilder:validation:XValidation:rule="[has(self.openAI), has(self.anthropic), has(self.bedrock), has(self.extractive)].filter(set, set).size() == 1",message="exactly one provider must be set: openAI, anthropic, bedrock or extractive"
type ModelProvider struct {
	// openAI is any server that speaks the OpenAI API: OpenAI, Azure OpenAI,
	// vLLM, Ollama, Text Generation Inference, a gateway.
	// +optional
	OpenAI *OpenAIModel `json:"openAI,omitempty"`

	// anthropic is the Messages API of Anthropic.
	// +optional
	Anthropic *AnthropicModel `json:"anthropic,omitempty"`

	// bedrock is the Converse API of Amazon Bedrock, with the credentials of
	// the pod's identity (IRSA or EKS Pod Identity).
	// +optional
	Bedrock *BedrockModel `json:"bedrock,omitempty"`

	// extractive answers with the best passages themselves, quoted. It needs no
	// outside service and invents nothing; it does not summarise either.
	// +optional
	Extractive *ExtractiveModel `json:"extractive,omitempty"`
}

// OpenAIModel is a model behind the OpenAI chat completions API.
type OpenAIModel struct {
	// model as the API names it; for Azure OpenAI, the name of the deployment.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Model string `json:"model"`

	OpenAIEndpoint `json:",inline"`
}

// OpenAIEndpoint is where an OpenAI-compatible API is and how to be let in.
type OpenAIEndpoint struct {
	// baseURL of the API, up to the version. Defaults to
	// https://api.openai.com/v1.
	// +kubebuilder:default="https://api.openai.com/v1"
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as https://api.openai.com/v1"
	// +optional
	BaseURL string `json:"baseURL,omitempty"`

	// apiKey is sent as the bearer token. Leave it out for a server that wants
	// none.
	// +optional
	APIKey *SecretKey `json:"apiKey,omitempty"`

	// azure makes the client speak to Azure OpenAI: deployments in the path, the
	// key in the api-key header.
	// +optional
	Azure *AzureOpenAI `json:"azure,omitempty"`
}

// AzureOpenAI is what Azure OpenAI wants beside the OpenAI API.
type AzureOpenAI struct {
	// apiVersion is the api-version parameter of each call.
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}(-preview)?$`
	// +required
	APIVersion string `json:"apiVersion"`
}

// AnthropicModel is a model behind the Anthropic Messages API.
type AnthropicModel struct {
	// model as the API names it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Model string `json:"model"`

	// baseURL of the API, without the version. Defaults to
	// https://api.anthropic.com.
	// +kubebuilder:default="https://api.anthropic.com"
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as https://api.anthropic.com"
	// +optional
	BaseURL string `json:"baseURL,omitempty"`

	// apiKey is sent as the x-api-key header.
	// +required
	APIKey SecretKey `json:"apiKey"`
}

// BedrockModel is a model of Amazon Bedrock.
type BedrockModel struct {
	// model is a model id, an inference profile id or its ARN.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +required
	Model string `json:"model"`

	// region of AWS, such as eu-west-1.
	// +kubebuilder:validation:Pattern=`^[a-z]{2,}(-[a-z]+)+-\d+$`
	// +required
	Region string `json:"region"`

	// endpoint replaces the region's own endpoint, for a VPC interface endpoint.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL"
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
}

// ExtractiveModel has no settings.
type ExtractiveModel struct{}

// Embedding turns text into vectors.
//
// +kubebuilder:validation:XValidation:rule="[has(self.openAI), has(self.textEmbeddingsInference), has(self.bedrock), has(self.lexical)].filter(set, set).size() == 1",message="exactly one provider must be set: openAI, textEmbeddingsInference, bedrock or lexical"
// +kubebuilder:validation:XValidation:rule="!has(self.dimensions) || !has(self.openAI) || !(self.openAI.model == 'text-embedding-ada-002') || self.dimensions == 1536",message="text-embedding-ada-002 has 1536 dimensions"
// +kubebuilder:validation:XValidation:rule="!has(self.dimensions) || !has(self.openAI) || !(self.openAI.model == 'text-embedding-3-small') || self.dimensions <= 1536",message="text-embedding-3-small has at most 1536 dimensions"
// +kubebuilder:validation:XValidation:rule="!has(self.dimensions) || !has(self.openAI) || !(self.openAI.model == 'text-embedding-3-large') || self.dimensions <= 3072",message="text-embedding-3-large has at most 3072 dimensions"
// +kubebuilder:validation:XValidation:rule="!has(self.dimensions) || !has(self.textEmbeddingsInference) || !has(self.textEmbeddingsInference.model) || !self.textEmbeddingsInference.model.endsWith('all-MiniLM-L6-v2') || self.dimensions == 384",message="all-MiniLM-L6-v2 has 384 dimensions"
type Embedding struct {
	// openAI is any server that speaks the OpenAI embeddings API.
	// +optional
	OpenAI *OpenAIEmbedding `json:"openAI,omitempty"`

	// textEmbeddingsInference is a server of Hugging Face Text Embeddings
	// Inference: one that the operator runs (model), or one that runs already
	// (endpoint).
	// +optional
	TextEmbeddingsInference *TextEmbeddingsInference `json:"textEmbeddingsInference,omitempty"`

	// bedrock is an embedding model of Amazon Bedrock (Titan or Cohere), with
	// the credentials of the pod's identity.
	// +optional
	Bedrock *BedrockModel `json:"bedrock,omitempty"`

	// lexical hashes words and character n-grams into a vector. It needs no
	// model and no outside service, and finds passages that share words with the
	// question; it does not know synonyms.
	// +optional
	Lexical *LexicalEmbedding `json:"lexical,omitempty"`

	// dimensions is the length of the vectors. Where it is set, the runtime
	// checks the first vector against it; where the model is known, the API
	// server does.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16384
	// +optional
	Dimensions *int32 `json:"dimensions,omitempty"`
}

// OpenAIEmbedding is a model behind the OpenAI embeddings API.
type OpenAIEmbedding struct {
	// model as the API names it; for Azure OpenAI, the name of the deployment.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Model string `json:"model"`

	OpenAIEndpoint `json:",inline"`
}

// TextEmbeddingsInference is a server of Hugging Face Text Embeddings Inference: one
// that the operator runs, or one that runs already.
//
// +kubebuilder:validation:XValidation:rule="has(self.model) || has(self.endpoint)",message="model must be set for a server that the operator runs, or endpoint for one that runs already"
// +kubebuilder:validation:XValidation:rule="!has(self.endpoint) || !has(self.server)",message="server says how the operator runs the model: leave it out when endpoint is set"
// +kubebuilder:validation:XValidation:rule="!has(self.apiKey) || has(self.endpoint)",message="apiKey is for endpoint: the server that the operator runs asks for none"
type TextEmbeddingsInference struct {
	// model on the Hugging Face Hub, such as
	// sentence-transformers/all-MiniLM-L6-v2. Without endpoint, the operator runs
	// a server of it. With endpoint, it is the model that is served there: it
	// names the embedding in cache keys, so that a change of model never serves an
	// old answer.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Model string `json:"model,omitempty"`

	// endpoint is the URL of a server that runs already.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as http://embeddings:8080"
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// apiKey is sent to endpoint as the bearer token.
	// +optional
	APIKey *SecretKey `json:"apiKey,omitempty"`

	// server adjusts the server that the operator runs. Leave it out for the
	// defaults.
	// +optional
	Server *EmbeddingServer `json:"server,omitempty"`
}

// EmbeddingServer is how the operator runs Text Embeddings Inference: as the
// Deployment NAME-embedding, behind a Service of that name.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxReplicas) || self.maxReplicas >= (has(self.minReplicas) ? self.minReplicas : 2)",message="maxReplicas must not be less than minReplicas, which is 2 where it is not set"
// +kubebuilder:validation:XValidation:rule="!has(self.cpuPercent) || !has(self.maxReplicas) || self.maxReplicas > (has(self.minReplicas) ? self.minReplicas : 2)",message="cpuPercent has no effect when minReplicas equals maxReplicas: raise maxReplicas or leave it out"
type EmbeddingServer struct {
	// image of Text Embeddings Inference. By default
	// ghcr.io/huggingface/text-embeddings-inference:cpu-1.9.3; each kind of GPU
	// has an image of its own, such as 89-1.9.3. An upgrade of the operator keeps
	// the default that the server was made with, unless workload.upgradePolicy is
	// Automatic.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`

	// revision of the model: a commit, a tag or a branch. By default the newest of
	// the main branch at the time that a pod starts; a commit makes sure that all
	// pods serve the same.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9._/-]*$`
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Revision string `json:"revision,omitempty"`

	// token of the Hugging Face Hub, for a model that is private or gated. It is
	// mounted as a file, which images from 1.9 on read.
	// +optional
	Token *SecretKey `json:"token,omitempty"`

	// minReplicas is how many replicas run at least; 2 by default.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas is how many replicas run at most; twice minReplicas by default.
	// Equal to minReplicas, the server does not scale and gets no autoscaler.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// cpuPercent of the CPU request that a replica should use, which the server
	// scales on; 80 by default.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	CPUPercent *int32 `json:"cpuPercent,omitempty"`

	// resources of the container. By default it requests 1 CPU and 1Gi of memory
	// and is limited to 2Gi.
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="claims are not passed on: name requests and limits"
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// modelCache is where the model is kept once it is downloaded. By default each
	// pod downloads it to a volume of up to 4Gi that goes with the pod.
	// +optional
	ModelCache *ModelCache `json:"modelCache,omitempty"`

	// nodeSelector that a node must match, such as that of the nodes with a GPU.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations of the pods.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
}

// ModelCache is where a model is kept once it is downloaded.
//
// +kubebuilder:validation:XValidation:rule="has(self.size) != has(self.persistentVolumeClaim)",message="exactly one must be set: size or persistentVolumeClaim"
type ModelCache struct {
	// size of a volume that goes with the pod.
	// +kubebuilder:validation:XValidation:rule="quantity(self).isGreaterThan(quantity('63Mi'))",message="must be at least 64Mi"
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`

	// persistentVolumeClaim that exists and that all replicas can mount. A model
	// that is in it is not downloaded.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	PersistentVolumeClaim string `json:"persistentVolumeClaim,omitempty"`
}

// LexicalEmbedding has no settings of its own.
type LexicalEmbedding struct{}
