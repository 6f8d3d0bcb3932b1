package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// EnvironmentVariable of a container.
//
// +kubebuilder:validation:XValidation:rule="[has(self.value), has(self.secret), has(self.configMap), has(self.field)].filter(set, set).size() == 1",message="exactly one must be set: value, secret, configMap or field"
type EnvironmentVariable struct {
	// name of the variable.
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`

	// value as it is. $(NAME) stands for a variable further up in the list.
	// +kubebuilder:validation:MaxLength=8192
	// +optional
	Value *string `json:"value,omitempty"`

	// secret is the key of a Secret that holds the value. It is read when a pod
	// starts, unlike the Secrets that the rest of the spec names.
	// +optional
	Secret *SecretKey `json:"secret,omitempty"`

	// configMap is the key of a ConfigMap that holds the value. It is read when a
	// pod starts.
	// +optional
	ConfigMap *ConfigMapKey `json:"configMap,omitempty"`

	// field of the pod that is the value.
	// +kubebuilder:validation:Enum=metadata.name;metadata.namespace;metadata.uid;spec.nodeName;spec.serviceAccountName;status.hostIP;status.podIP
	// +optional
	Field string `json:"field,omitempty"`
}

// PodVolume is a volume of the pods, for containers to mount.
//
// +kubebuilder:validation:XValidation:rule="[has(self.emptyDir), has(self.secret), has(self.configMap), has(self.persistentVolumeClaim), has(self.csi)].filter(set, set).size() == 1",message="exactly one must be set: emptyDir, secret, configMap, persistentVolumeClaim or csi"
type PodVolume struct {
	// name that mounts refer to.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`

	// emptyDir is an empty folder that goes with the pod.
	// +optional
	EmptyDir *EmptyDir `json:"emptyDir,omitempty"`

	// secret has a file for each key of a Secret.
	// +optional
	Secret *SecretSource `json:"secret,omitempty"`

	// configMap has a file for each key of a ConfigMap.
	// +optional
	ConfigMap *ConfigMapSource `json:"configMap,omitempty"`

	// persistentVolumeClaim that exists and that all replicas can mount.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	PersistentVolumeClaim string `json:"persistentVolumeClaim,omitempty"`

	// csi is a volume of a CSI driver that lives as long as the pod, such as
	// secrets-store.csi.k8s.io.
	// +optional
	CSI *CSIVolume `json:"csi,omitempty"`
}

// EmptyDir is an empty folder that goes with the pod.
type EmptyDir struct {
	// size that it may grow to. Defaults to 64Mi.
	// +kubebuilder:default="64Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(self).isGreaterThan(quantity('0'))",message="must be greater than 0"
	// +optional
	Size resource.Quantity `json:"size,omitzero"`
}

// SecretSource names a Secret in the service's own namespace.
type SecretSource struct {
	// name of the Secret.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +kubebuilder:validation:MaxLength=253
	// +required
	Name string `json:"name"`
}

// CSIVolume is a volume of a CSI driver that lives as long as the pod.
type CSIVolume struct {
	// driver that makes the volume.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +required
	Driver string `json:"driver"`

	// attributes that the driver asks for.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Attributes map[string]string `json:"attributes,omitempty"`
}

// VolumeMount is where a container finds a volume.
type VolumeMount struct {
	// name of the volume in workload.volumes.
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`

	// mountPath is the absolute path in the container.
	// +kubebuilder:validation:Pattern=`^(/[.]?[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`
	// +kubebuilder:validation:MaxLength=512
	// +required
	MountPath string `json:"mountPath"`

	// readOnly is whether the container can only read it. Defaults to false.
	// +kubebuilder:default=false
	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Sidecar is a container beside the query runtime, such as the proxy of a database.
// It starts ahead of the runtime and stops after it, and it passes the restricted
// Pod Security level: it runs as a user that is not root, without privileges and
// with a root file system that it cannot write to.
type Sidecar struct {
	// name of the container.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	// +required
	Name string `json:"name"`

	// image of the container.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +required
	Image string `json:"image"`

	// command replaces the entry point of the image.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	Command []string `json:"command,omitempty"`

	// args are the arguments of the command.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	// +optional
	Args []string `json:"args,omitempty"`

	// user that the container runs as, by its number; 65532 by default.
	// +kubebuilder:validation:Minimum=1
	// +optional
	User *int64 `json:"user,omitempty"`

	// env are environment variables of the container.
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Env []EnvironmentVariable `json:"env,omitempty"`

	// resources of the container. They count for the autoscaler's cpuPercent and
	// memoryPercent, too. By default it requests 50m CPU and 64Mi of memory and is
	// limited to 128Mi.
	// +kubebuilder:default={requests: {cpu: "50m", memory: "64Mi"}, limits: {memory: "128Mi"}}
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="claims are not passed on: name requests and limits"
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// volumeMounts are volumes of workload.volumes.
	// +kubebuilder:validation:MaxItems=8
	// +listType=map
	// +listMapKey=mountPath
	// +optional
	VolumeMounts []VolumeMount `json:"volumeMounts,omitempty"`
}
