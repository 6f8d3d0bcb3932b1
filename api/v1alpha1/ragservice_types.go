package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RAGService declares a retrieval-augmented question-answering service: the
// model that answers, the embedding and vector store that find the passages it
// answers from, the cache in front of them, and how the service scales. The
// operator runs the bundled query runtime for it, with everything that belongs
// around a production service.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.scaling.minReplicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=rag,categories={ragops}
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the service answers queries as declared"
// +kubebuilder:printcolumn:name="Replicas",type=string,JSONPath=`.status.readyReplicas`,description="Runtime pods that are ready"
// +kubebuilder:printcolumn:name="QPS",type=string,JSONPath=`.status.load.queriesPerSecond`,description="Queries per second over all replicas"
// +kubebuilder:printcolumn:name="P95",type=string,JSONPath=`.status.load.p95Latency`,description="95th percentile of query latency"
// +kubebuilder:printcolumn:name="Hit",type=string,JSONPath=`.status.load.cacheHitRatio`,description="Share of queries answered from the cache"
// +kubebuilder:printcolumn:name="Model",type=string,JSONPath=`.status.model`,description="The model that answers"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.status.endpoint`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 46",message="metadata.name must have at most 46 characters: a StatefulSet NAME-redis labels its pods with its own name and a hash, within the 63 characters of a label"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label that starts with a letter (a-z, 0-9 and -), since a Service takes its name"
type RAGService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the service as it should be.
	// +required
	Spec RAGServiceSpec `json:"spec"`

	// status is the service as the operator last saw it.
	//
	// The default keeps a service that no operator has looked at yet from being
	// taken for one that is done: kstatus reads the generation and nothing else
	// until there are conditions.
	// +kubebuilder:default:={"observedGeneration":-1}
	// +optional
	Status RAGServiceStatus `json:"status,omitzero"`
}

// RAGServiceList is a list of RAGServices.
//
// +kubebuilder:object:root=true
type RAGServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RAGService `json:"items"`
}

// RAGServiceSpec is the service as it should be.
//
// +kubebuilder:validation:XValidation:rule="!has(self.cache) || self.cache.scope == 'Shared' || has(self.access)",message="cache.scope Tenant and User need access: without it nobody says who is asking"
type RAGServiceSpec struct {
	// model is the generation model that writes the answers. Exactly one
	// provider must be set.
	// +required
	Model Model `json:"model"`

	// embedding turns questions and documents into vectors. Exactly one
	// provider must be set. It must be the one the documents in the vector
	// store were embedded with.
	// +required
	Embedding Embedding `json:"embedding"`

	// vectorStore holds the passages that answers are made from. Exactly one
	// provider must be set.
	// +required
	VectorStore VectorStore `json:"vectorStore"`

	// cache answers repeated questions without asking the model again. Leave
	// it out, and every question goes to the model.
	// +optional
	Cache *Cache `json:"cache,omitempty"`

	// userContext adds what is known about the user to the prompt.
	// +optional
	UserContext *UserContext `json:"userContext,omitempty"`

	// access decides who may query. Leave it out, and everybody who reaches
	// the service may.
	// +optional
	Access *Access `json:"access,omitempty"`

	// scaling is the range of replicas and what they scale on.
	// +kubebuilder:default={minReplicas: 2, maxReplicas: 10, metricsSource: Operator}
	// +optional
	Scaling Scaling `json:"scaling,omitzero"`

	// objectives are what the service is measured against. The result is shown
	// in the status; it does not change whether the service is Ready. The
	// defaults are the targets of the migration guide.
	// +kubebuilder:default={}
	// +optional
	Objectives Objectives `json:"objectives,omitzero"`

	// exposure leads queries from outside the cluster to the service. Leave it
	// out, and the service is reached from inside only.
	// +optional
	Exposure *Exposure `json:"exposure,omitempty"`

	// monitoring is what is set up for a monitoring system to find.
	// +kubebuilder:default={}
	// +optional
	Monitoring Monitoring `json:"monitoring,omitzero"`

	// workload adjusts the pods of the query runtime: resources, identity,
	// scheduling.
	// +kubebuilder:default={}
	// +optional
	Workload Workload `json:"workload,omitzero"`

	// suspend stops the operator from changing anything of this service. What runs
	// keeps running and serving; status still shows it. Defaults to false.
	// +kubebuilder:default=false
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// SecretKey names one key of a Secret in the service's own namespace.
type SecretKey struct {
	// name of the Secret.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// key in the Secret's data.
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Key string `json:"key"`
}

// ConfigMapKey names one key of a ConfigMap in the service's own namespace.
type ConfigMapKey struct {
	// name of the ConfigMap.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// key in the ConfigMap's data.
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Key string `json:"key"`
}

// Ratio is a share between 0 and 1 as a decimal string with up to four places,
// such as "0.95". A string, because the API conventions rule out floats.
//
// +kubebuilder:validation:MaxLength=6
// +kubebuilder:validation:XValidation:rule="self.matches('^(0([.][0-9]{1,4})?|1([.]0{1,4})?)$')",message="must be a ratio between 0 and 1 with at most four decimals, as a string, such as \"0.95\""
type Ratio string
