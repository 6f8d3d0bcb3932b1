package v1alpha1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Scaling is the range of replicas and what they scale on.
//
// +kubebuilder:validation:XValidation:rule="self.minReplicas <= self.maxReplicas",message="minReplicas must not be greater than maxReplicas"
// +kubebuilder:validation:XValidation:rule="self.minReplicas < self.maxReplicas || (!has(self.targets) && !has(self.behavior))",message="targets and behavior have no effect when minReplicas equals maxReplicas: raise maxReplicas or leave them out"
// +kubebuilder:validation:XValidation:rule="self.minReplicas < self.maxReplicas || (self.metricsSource == 'Operator' && !has(self.demand) && !has(self.keda))",message="metricsSource, demand and keda have no effect when minReplicas equals maxReplicas: raise maxReplicas or leave them out"
// +kubebuilder:validation:XValidation:rule="self.minReplicas > 0 || self.metricsSource != 'Operator'",message="minReplicas 0 needs metricsSource Prometheus or KEDA: without a pod the operator has nothing to measure, and the service would never come back"
// +kubebuilder:validation:XValidation:rule="self.minReplicas > 0 || self.metricsSource == 'Operator' || has(self.demand) || (has(self.keda) && has(self.keda.cron))",message="minReplicas 0 needs demand, or with metricsSource KEDA keda.cron: targets are measured on pods, and something has to bring back a service that has none"
// +kubebuilder:validation:XValidation:rule="self.minReplicas > 0 || self.metricsSource != 'Prometheus' || !has(self.targets) || (!has(self.targets.cpuPercent) && !has(self.targets.memoryPercent))",message="minReplicas 0 with metricsSource Prometheus takes neither cpuPercent nor memoryPercent: a replica that runs uses some of both, so the last one would never go"
// +kubebuilder:validation:XValidation:rule="has(self.keda) == (self.metricsSource == 'KEDA')",message="keda must be set with metricsSource KEDA, and only then"
// +kubebuilder:validation:XValidation:rule="!has(self.demand) || (has(self.demand.query) ? self.metricsSource == 'KEDA' : self.metricsSource == 'Prometheus')",message="demand.query is for metricsSource KEDA and demand.metric for metricsSource Prometheus: the source Operator knows no other figures than those of pods"
// +kubebuilder:validation:XValidation:rule="!has(self.demand) || (has(self.targets) && has(self.targets.queriesPerSecond))",message="demand needs targets.queriesPerSecond: how much of it one replica carries"
// +kubebuilder:validation:XValidation:rule="!has(self.keda) || has(self.keda.serverAddress) || !(has(self.demand) || (has(self.targets) && (has(self.targets.queriesPerSecond) || has(self.targets.queriesInFlight))))",message="keda.serverAddress must be set with demand, targets.queriesPerSecond or targets.queriesInFlight: the Prometheus that KEDA asks for them"
// +kubebuilder:validation:XValidation:rule="!has(self.keda) || !has(self.keda.cron) || self.keda.cron.all(c, c.replicas <= self.maxReplicas)",message="keda.cron replicas must not be greater than maxReplicas"
type Scaling struct {
	// minReplicas is how many replicas run at least. 0 takes a metricsSource other
	// than Operator and something outside of the pods that brings the service
	// back: demand, or keda.cron. Defaults to 2.
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MinReplicas int32 `json:"minReplicas"` // no omitempty: 0 means 0, and not the default

	// maxReplicas is how many replicas run at most. Equal to minReplicas, the
	// service does not scale and gets no autoscaler. Defaults to 10.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MaxReplicas int32 `json:"maxReplicas,omitempty"`

	// metricsSource is who tells the autoscaler of queries. Operator: this
	// operator, as the custom metrics API of the cluster. Prometheus:
	// prometheus-adapter in that place, with the rules of
	// config/prometheus-adapter. KEDA: a ScaledObject instead of a
	// HorizontalPodAutoscaler; KEDA asks Prometheus. Defaults to Operator.
	// +kubebuilder:default=Operator
	// +optional
	MetricsSource MetricsSource `json:"metricsSource,omitempty"`

	// targets are what a replica should carry. Where none is set, cpuPercent is
	// 80 and memoryPercent 85, the targets of the migration guide.
	// +optional
	Targets *ScalingTargets `json:"targets,omitempty"`

	// behavior of the HorizontalPodAutoscaler, passed on as it is.
	// +optional
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`

	// demand is how many queries a second are asked of the service, as something
	// in front of it counts them: an ingress controller, a gateway, a load
	// balancer. It is there when no pod is, so it brings the service back from 0
	// replicas. The service then scales on it as well: one replica for every
	// targets.queriesPerSecond.
	// +optional
	Demand *Demand `json:"demand,omitempty"`

	// keda says how KEDA measures. It must be set with metricsSource KEDA.
	// +optional
	KEDA *KEDA `json:"keda,omitempty"`
}

// MetricsSource is who tells the autoscaler of queries.
//
// +kubebuilder:validation:Enum=Operator;Prometheus;KEDA
type MetricsSource string

const (
	// MetricsSourceOperator is this operator's own metrics API.
	MetricsSourceOperator MetricsSource = "Operator"
	// MetricsSourcePrometheus is prometheus-adapter.
	MetricsSourcePrometheus MetricsSource = "Prometheus"
	// MetricsSourceKEDA is KEDA, which asks Prometheus.
	MetricsSourceKEDA MetricsSource = "KEDA"
)

// ScalingTargets are what a replica should carry; the service scales so that
// every one that is set is kept.
//
// +kubebuilder:validation:MinProperties=1
type ScalingTargets struct {
	// cpuPercent of the CPU request.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	CPUPercent *int32 `json:"cpuPercent,omitempty"`

	// memoryPercent of the memory request.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	MemoryPercent *int32 `json:"memoryPercent,omitempty"`

	// queriesPerSecond of one replica, as metricsSource tells it.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	QueriesPerSecond *int32 `json:"queriesPerSecond,omitempty"`

	// queriesInFlight of one replica: the figure that follows a slow model, which
	// CPU does not. As metricsSource tells it.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	QueriesInFlight *int32 `json:"queriesInFlight,omitempty"`
}

// Demand is the queries that are asked, counted in front of the service.
//
// +kubebuilder:validation:XValidation:rule="has(self.query) != has(self.metric)",message="exactly one must be set: query or metric"
type Demand struct {
	// query in PromQL that gives queries per second, for metricsSource KEDA, such
	// as
	// sum(rate(nginx_ingress_controller_requests{exported_namespace="rag",ingress="support"}[1m]))
	// of an NGINX ingress controller.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Query string `json:"query,omitempty"`

	// metric of external.metrics.k8s.io in queries per second, for metricsSource
	// Prometheus. It is of the service's namespace; a rule of prometheus-adapter
	// makes it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-zA-Z_:][a-zA-Z0-9_:.-]*$`
	// +optional
	Metric string `json:"metric,omitempty"`
}

// KEDA says how KEDA measures.
//
// +kubebuilder:validation:XValidation:rule="!has(self.authentication) || has(self.serverAddress)",message="authentication is for serverAddress: set that, too"
type KEDA struct {
	// serverAddress is the URL of the Prometheus that scrapes the runtime, as
	// KEDA's operator reaches it.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https']",message="must be a http or https URL, such as http://prometheus-operated.monitoring.svc:9090"
	// +optional
	ServerAddress string `json:"serverAddress,omitempty"`

	// authentication names a TriggerAuthentication that lets KEDA in there.
	// +optional
	Authentication *TriggerAuthentication `json:"authentication,omitempty"`

	// pollingInterval is how often KEDA looks while the service has no replica.
	// Otherwise the HorizontalPodAutoscaler looks, at its own pace. Defaults to
	// 15s.
	// +kubebuilder:default="15s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be between 1s and 1h"
	// +optional
	PollingInterval *metav1.Duration `json:"pollingInterval,omitempty"`

	// cooldownPeriod is how long nothing must be asked before the last replica
	// goes, where minReplicas is 0. Defaults to 5m.
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('24h')",message="must be between 0s and 24h"
	// +optional
	CooldownPeriod *metav1.Duration `json:"cooldownPeriod,omitempty"`

	// cron are windows of time in which at least so many replicas run, whatever
	// the load.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Cron []CronWindow `json:"cron,omitempty"`
}

// TriggerAuthentication names what lets KEDA in.
type TriggerAuthentication struct {
	// name of the TriggerAuthentication or ClusterTriggerAuthentication.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// kind says whether it is one of the namespace or of the cluster. Defaults to
	// TriggerAuthentication.
	// +kubebuilder:default=TriggerAuthentication
	// +kubebuilder:validation:Enum=TriggerAuthentication;ClusterTriggerAuthentication
	// +optional
	Kind string `json:"kind,omitempty"`
}

// CronWindow is a window of time that comes back.
type CronWindow struct {
	// timezone of start and end, such as Europe/Berlin.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +required
	Timezone string `json:"timezone"`

	// start of the window in five fields: minute, hour, day of the month, month,
	// day of the week, such as "0 8 * * 1-5".
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^\s*\S+(\s+\S+){4}\s*$`
	// +required
	Start string `json:"start"`

	// end of the window, likewise.
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^\s*\S+(\s+\S+){4}\s*$`
	// +required
	End string `json:"end"`

	// replicas that run in it at least.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +required
	Replicas int32 `json:"replicas"`
}
