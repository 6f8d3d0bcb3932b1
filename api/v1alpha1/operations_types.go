package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Objectives are what the service is measured against.
type Objectives struct {
	// queriesPerSecond that the service should be able to carry. Defaults to 100.
	// +kubebuilder:default=100
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	// +optional
	QueriesPerSecond int32 `json:"queriesPerSecond,omitempty"`

	// averageLatency of a query, at most. Defaults to 1s.
	// +kubebuilder:default="1s"
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be greater than 0s"
	// +optional
	AverageLatency *metav1.Duration `json:"averageLatency,omitempty"`

	// p95Latency is the 95th percentile of query latency, at most. Defaults to 2s.
	// +kubebuilder:default="2s"
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="must be greater than 0s"
	// +optional
	P95Latency *metav1.Duration `json:"p95Latency,omitempty"`

	// successRatio is the share of queries that are answered, at least. Defaults
	// to "0.99".
	// +kubebuilder:default="0.99"
	// +optional
	SuccessRatio Ratio `json:"successRatio,omitempty"`

	// cacheHitRatio is the share of queries answered from the cache, at least.
	// Defaults to "0.70".
	// +kubebuilder:default="0.70"
	// +optional
	CacheHitRatio Ratio `json:"cacheHitRatio,omitempty"`

	// cpuPercent of the CPU limit or request in use, at most. Defaults to 80.
	// +kubebuilder:default=80
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	CPUPercent int32 `json:"cpuPercent,omitempty"`

	// memoryPercent of the memory limit in use, at most. Defaults to 85.
	// +kubebuilder:default=85
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	MemoryPercent int32 `json:"memoryPercent,omitempty"`
}

// Monitoring is what is set up for a monitoring system to find. Each part
// appears once its CRD is installed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.alerts) || has(self.serviceMonitor)",message="alerts need serviceMonitor: they look at what it has scraped"
type Monitoring struct {
	// serviceMonitor lets the Prometheus operator scrape the runtime. Leave it
	// out for none.
	// +optional
	ServiceMonitor *ServiceMonitor `json:"serviceMonitor,omitempty"`

	// alerts makes a PrometheusRule that alerts on the objectives. It needs the
	// figures that the ServiceMonitor has scraped. Leave it out for none.
	// +optional
	Alerts *Alerts `json:"alerts,omitempty"`

	// dashboard makes a ConfigMap with a dashboard, for the sidecar by which
	// Grafana loads dashboards. Leave it out for none.
	// +optional
	Dashboard *Dashboard `json:"dashboard,omitempty"`
}

// Alerts makes a PrometheusRule.
type Alerts struct {
	// labels that the Prometheus selects PrometheusRules by.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// Dashboard makes a ConfigMap with a Grafana dashboard.
type Dashboard struct {
	// labels that the sidecar of Grafana selects ConfigMaps by.
	// +kubebuilder:default={grafana_dashboard: "1"}
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// ServiceMonitor lets the Prometheus operator scrape the runtime.
type ServiceMonitor struct {
	// interval between two scrapes. Defaults to 15s.
	// +kubebuilder:default="15s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="must be at least 1s"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// labels that the Prometheus selects ServiceMonitors by.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
}

// UpgradePolicy says what an upgrade of the operator does to the runtime.
//
// +kubebuilder:validation:Enum=Pinned;Automatic
type UpgradePolicy string

const (
	// UpgradePinned keeps the runtime image across upgrades of the operator.
	UpgradePinned UpgradePolicy = "Pinned"
	// UpgradeAutomatic takes the runtime image that belongs to the operator.
	UpgradeAutomatic UpgradePolicy = "Automatic"
)

// NetworkPolicyMode is what NetworkPolicies guard.
//
// +kubebuilder:validation:Enum=Ingress;None
type NetworkPolicyMode string

const (
	// NetworkPolicyIngress guards what reaches the pods.
	NetworkPolicyIngress NetworkPolicyMode = "Ingress"
	// NetworkPolicyNone guards nothing.
	NetworkPolicyNone NetworkPolicyMode = "None"
)

// Workload adjusts the pods of the query runtime.
//
// +kubebuilder:validation:XValidation:rule="!has(self.env) || self.env.all(e, e.name != 'GOMEMLIMIT')",message="env GOMEMLIMIT is the operator's, which derives it from resources.limits.memory: set that"
// +kubebuilder:validation:XValidation:rule="!has(self.volumes) || self.volumes.all(v, !(v.name in ['config', 'secrets', 'faq']) && !v.name.startsWith('documents-'))",message="volumes config, secrets, faq and documents-... are the operator's: choose another name"
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",message="volumeMounts must name a volume of workload.volumes"
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, !(m.mountPath in ['/etc', '/etc/ragservice', '/runtime']) && !m.mountPath.startsWith('/etc/ragservice/') && !m.mountPath.startsWith('/runtime/'))",message="volumeMounts over /etc/ragservice or /runtime would hide what the operator mounts and the runtime itself: choose another mountPath"
// +kubebuilder:validation:XValidation:rule="!has(self.sidecars) || self.sidecars.all(s, s.name != 'runtime')",message="sidecars may not be called runtime, as the query runtime is: choose another name"
// +kubebuilder:validation:XValidation:rule="!has(self.sidecars) || self.sidecars.all(s, !has(s.volumeMounts) || s.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name)))",message="volumeMounts of sidecars must name a volume of workload.volumes"
type Workload struct {
	// image of the query runtime. Leave it out for the one that belongs to the
	// operator's version.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Image string `json:"image,omitempty"`

	// upgradePolicy says what an upgrade of the operator does to the runtime.
	// Pinned keeps the image that the operator chose when it first made the pods:
	// an upgrade of the operator restarts nothing. Automatic follows the operator.
	// It has no effect where image is set. Defaults to Pinned.
	// +kubebuilder:default=Pinned
	// +optional
	UpgradePolicy UpgradePolicy `json:"upgradePolicy,omitempty"`

	// networkPolicy is whether a NetworkPolicy guards the pods. With Ingress
	// everybody reaches the query port, only the operator and the monitoring
	// system reach the admin port, and only the service's pods reach the managed
	// Redis and embedding server. None makes no NetworkPolicy. Defaults to
	// Ingress.
	// +kubebuilder:default=Ingress
	// +optional
	NetworkPolicy NetworkPolicyMode `json:"networkPolicy,omitempty"`

	// imagePullSecrets for the image.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// resources of the runtime's container. By default it requests 250m CPU and
	// 256Mi of memory and is limited to 512Mi.
	// +kubebuilder:default={requests: {cpu: "250m", memory: "256Mi"}, limits: {memory: "512Mi"}}
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="claims are not passed on: name requests and limits"
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// serviceAccount is the identity of the pods.
	// +kubebuilder:default={}
	// +optional
	ServiceAccount ServiceAccount `json:"serviceAccount,omitzero"`

	// podLabels are added to the pods.
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !(k in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'app.kubernetes.io/managed-by']) && !k.startsWith('rag.ragops.dev/'))",message="app.kubernetes.io/name, instance, component and managed-by, and rag.ragops.dev/..., are the operator's: choose other labels"
	// +optional
	PodLabels map[string]string `json:"podLabels,omitempty"`

	// podAnnotations are added to the pods.
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('rag.ragops.dev/'))",message="annotations rag.ragops.dev/... are the operator's: choose others"
	// +optional
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`

	// nodeSelector that a node must match.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations of the pods.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity of the pods, as spec.affinity of a Pod has it.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Affinity *runtime.RawExtension `json:"affinity,omitempty"`

	// topologySpreadConstraints replace the default, which spreads the pods over
	// zones and hosts as far as it can.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// priorityClassName of the pods.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// env are environment variables of the query runtime, such as HTTPS_PROXY. Its
	// settings are in the rest of the spec.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []EnvironmentVariable `json:"env,omitempty"`

	// volumes of the pods, for the query runtime and sidecars to mount.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Volumes []PodVolume `json:"volumes,omitempty"`

	// volumeMounts of the query runtime.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=mountPath
	// +optional
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`

	// sidecars are containers beside the query runtime.
	// +kubebuilder:validation:MaxItems=4
	// +listType=map
	// +listMapKey=name
	// +optional
	Sidecars []Sidecar `json:"sidecars,omitempty"`
}

// ServiceAccount is the identity of the pods.
//
// +kubebuilder:validation:XValidation:rule="!has(self.name) || !has(self.annotations)",message="annotations belong to the ServiceAccount that the operator makes: leave them out when name is set"
type ServiceAccount struct {
	// name of a ServiceAccount that exists. Leave it out, and the operator makes
	// one with the service's own name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Name string `json:"name,omitempty"`

	// annotations of the ServiceAccount that the operator makes, such as
	// eks.amazonaws.com/role-arn for IAM roles for service accounts.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}
