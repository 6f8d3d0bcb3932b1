package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RAGServiceStatus is the service as the operator last saw it.
type RAGServiceStatus struct {
	// observedGeneration is the generation of spec that the status is of; -1 until
	// the operator has looked at the service for the first time.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions of the service. Ready sums the others up; see the condition
	// types for what each says.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// replicas is how many runtime pods exist.
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas is how many runtime pods are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// selector finds the runtime pods; for the scale subresource.
	// +optional
	Selector string `json:"selector,omitempty"`

	// endpoint is the URL that answers queries inside the cluster.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`

	// model that answers, for display.
	// +optional
	Model string `json:"model,omitempty"`

	// runtimeVersion is the image that the runtime pods run.
	// +optional
	RuntimeVersion string `json:"runtimeVersion,omitempty"`

	// configHash identifies the configuration that the pods were told to run.
	// +optional
	ConfigHash string `json:"configHash,omitempty"`

	// appliedConfigHash identifies the configuration that all running pods report
	// to run; empty while they differ. Equal to configHash, the newest is applied.
	// +optional
	AppliedConfigHash string `json:"appliedConfigHash,omitempty"`

	// objectives as measured on the running pods.
	// +listType=map
	// +listMapKey=name
	// +optional
	Objectives []ObjectiveStatus `json:"objectives,omitempty"`

	// load as measured on the running pods, rounded, and rewritten at most every
	// 30 seconds.
	// +optional
	Load *LoadStatus `json:"load,omitempty"`
}

// ObjectiveStatus is one objective against what was measured.
type ObjectiveStatus struct {
	// name of the objective, as in spec.objectives.
	// +required
	Name string `json:"name"`

	// target as declared.
	// +required
	Target string `json:"target"`

	// observed value; empty when nothing was measured yet.
	// +optional
	Observed string `json:"observed,omitempty"`

	// met is whether the observed value keeps to the target; absent when
	// nothing was measured yet.
	// +optional
	Met *bool `json:"met,omitempty"`
}

// LoadStatus is the load on the service over all replicas.
type LoadStatus struct {
	// queriesPerSecond over the last minute.
	// +optional
	QueriesPerSecond string `json:"queriesPerSecond,omitempty"`

	// queriesInFlight at the time of the sample.
	// +optional
	QueriesInFlight int32 `json:"queriesInFlight"`

	// p95Latency of the last minute.
	// +optional
	P95Latency string `json:"p95Latency,omitempty"`

	// cacheHitRatio of the last minute.
	// +optional
	CacheHitRatio string `json:"cacheHitRatio,omitempty"`
}
