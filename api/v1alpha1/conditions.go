package v1alpha1

// Condition types of a RAGService. All but Reconciling and Stalled are positive:
// True is good.
const (
	// ConditionReady sums up the conditions that a query depends on.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the cluster moves towards the spec, and
	// absent otherwise (kstatus).
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True while something only a person can change is in
	// the way, and absent otherwise (kstatus).
	ConditionStalled = "Stalled"
	// ConditionRuntimeAvailable says whether enough runtime pods are ready.
	ConditionRuntimeAvailable = "RuntimeAvailable"
	// ConditionCacheAvailable says whether the Redis of the cache is there.
	// Queries are answered without it, so Ready does not depend on it.
	ConditionCacheAvailable = "CacheAvailable"
	// ConditionEmbeddingAvailable says whether enough pods of the embedding server
	// that the operator runs are ready. There is none without one.
	ConditionEmbeddingAvailable = "EmbeddingAvailable"
	// ConditionDependenciesReachable says whether the running pods reach the
	// model, the embedding and the vector store, as they report it.
	ConditionDependenciesReachable = "DependenciesReachable"
	// ConditionScalingActive says whether the HorizontalPodAutoscaler scales on all
	// that it should, what it sees, and what keeps it from scaling further.
	ConditionScalingActive = "ScalingActive"
	// ConditionMaxReplicasSupported says whether what the replicas share bears as
	// many of them as maxReplicas: the connections of Redis and PostgreSQL, and the
	// model's rate limit.
	ConditionMaxReplicasSupported = "MaxReplicasSupported"
	// ConditionMonitoringConfigured says whether the monitoring objects asked
	// for exist.
	ConditionMonitoringConfigured = "MonitoringConfigured"
	// ConditionExposed says whether the Ingress or HTTPRoute asked for exists.
	ConditionExposed = "Exposed"
	// ConditionObjectivesMet says whether every measured objective is kept.
	// Ready does not depend on it.
	ConditionObjectivesMet = "ObjectivesMet"
)

// Reasons of conditions.
const (
	// ReasonSucceeded goes with a condition that is as it should be.
	ReasonSucceeded = "Succeeded"
	// ReasonProgressing goes with a change under way.
	ReasonProgressing = "Progressing"
	// ReasonSuspended goes with spec.suspend.
	ReasonSuspended = "Suspended"
	// ReasonReferenceNotFound goes with a Secret, ConfigMap or key that the spec
	// names and the namespace lacks.
	ReasonReferenceNotFound = "ReferenceNotFound"
	// ReasonInvalidSpec goes with a spec that admission let through and the
	// operator cannot honour.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonNameConflict goes with a child's name that someone else's object has.
	ReasonNameConflict = "NameConflict"
	// ReasonApplyFailed goes with an API call that failed; it is tried again.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonPodsNotReady goes with runtime pods that do not become ready.
	ReasonPodsNotReady = "PodsNotReady"
	// ReasonNotReachable goes with a dependency that the pods do not reach.
	ReasonNotReachable = "NotReachable"
	// ReasonEmbeddingMismatch goes with vectors of another length than configured.
	ReasonEmbeddingMismatch = "EmbeddingMismatch"
	// ReasonCRDNotInstalled goes with a kind the cluster does not know (yet).
	ReasonCRDNotInstalled = "CRDNotInstalled"
	// ReasonScaledToZero goes with a service that has no replica, as it may.
	ReasonScaledToZero = "ScaledToZero"
	// ReasonMetricsMissing goes with an autoscaler that lacks one of its figures.
	ReasonMetricsMissing = "MetricsMissing"
	// ReasonMetricsAPIOwnedByAnother goes with a custom metrics API that another
	// server than the metrics source has.
	ReasonMetricsAPIOwnedByAnother = "MetricsAPIOwnedByAnother"
	// ReasonLimitedByMaxReplicas goes with a load that asks for more replicas than
	// there may be.
	ReasonLimitedByMaxReplicas = "LimitedByMaxReplicas"
	// ReasonToleranceNotServed goes with a tolerance that the cluster does not know.
	ReasonToleranceNotServed = "ToleranceNotServed"
	// ReasonLimitExceeded goes with a declared limit that maxReplicas would exceed.
	ReasonLimitExceeded = "LimitExceeded"
	// ReasonLimitUnknown goes with a limit that nobody declares.
	ReasonLimitUnknown = "LimitUnknown"
	// ReasonDisabled goes with a part that the spec switches off.
	ReasonDisabled = "Disabled"
	// ReasonMeasuring goes with objectives that have too few queries to judge.
	ReasonMeasuring = "Measuring"
	// ReasonMissed goes with objectives that are not kept.
	ReasonMissed = "Missed"
)
