package build

import (
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	autoscalingv2ac "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// EmbeddingImage runs Text Embeddings Inference on CPUs where the spec names no image.
const EmbeddingImage = "ghcr.io/huggingface/text-embeddings-inference:cpu-1.9.3"

const (
	embeddingPort     = 8080
	embeddingPortName = "http"
	embeddingData     = "/data" // where its image keeps models
	// embeddingHome is its HF_HOME, where it looks for the file token; 1.9 and later do.
	embeddingHome = "/etc/ragservice/huggingface"
	// embeddingStartup is how long a pod may take to download and load its model.
	embeddingStartup = 30 * time.Minute
	// embeddingDrain lets the endpoints move before the server takes no more requests:
	// it stops listening at once.
	embeddingDrain = 5 * time.Second
)

// The defaults of the spec. They are not in the schema: there they would show up next
// to the endpoint of a server that the operator does not run.
const (
	embeddingMinReplicas = 2
	embeddingCPUPercent  = 80
)

var (
	embeddingCacheSize = resource.MustParse("4Gi")
	embeddingResources = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
	}
)

// EmbeddingName is the name of everything that belongs to the managed embedding.
func EmbeddingName(s *v1alpha1.RAGService) string { return s.Name + "-embedding" }

// ManagedEmbedding is the embedding server that the operator runs, with the defaults of
// what the spec does not say; nil where it runs none.
func ManagedEmbedding(s *v1alpha1.RAGService) *v1alpha1.EmbeddingServer {
	tei := s.Spec.Embedding.TextEmbeddingsInference
	if tei == nil || tei.Endpoint != "" {
		return nil
	}
	server := &v1alpha1.EmbeddingServer{}
	if tei.Server != nil {
		server = tei.Server.DeepCopy()
	}
	if server.MinReplicas == nil {
		server.MinReplicas = new(int32(embeddingMinReplicas))
	}
	if server.MaxReplicas == nil {
		server.MaxReplicas = new(2 * *server.MinReplicas)
	}
	if server.CPUPercent == nil {
		server.CPUPercent = new(int32(embeddingCPUPercent))
	}
	if server.Resources == nil {
		server.Resources = &embeddingResources
	}
	if server.ModelCache == nil {
		server.ModelCache = &v1alpha1.ModelCache{Size: &embeddingCacheSize}
	}
	return server
}

// EmbeddingAutoscaled is whether an autoscaler holds the number of replicas of the
// managed embedding.
func EmbeddingAutoscaled(s *v1alpha1.RAGService) bool {
	server := ManagedEmbedding(s)
	return server != nil && *server.MaxReplicas > *server.MinReplicas
}

// embeddingEndpoint is where the pods of the service ask the managed embedding, and
// embeddingModel what they know its vectors by.
func embeddingEndpoint(s *v1alpha1.RAGService) string {
	return fmt.Sprintf("http://%s.%s.svc:%d", EmbeddingName(s), s.Namespace, embeddingPort)
}

func embeddingModel(s *v1alpha1.RAGService) string {
	model := s.Spec.Embedding.TextEmbeddingsInference.Model
	if server := ManagedEmbedding(s); server != nil && server.Revision != "" {
		model += "@" + server.Revision
	}
	return model
}

func embeddingDeployment(in Input) (*appsv1ac.DeploymentApplyConfiguration, error) {
	s := in.Service
	server := ManagedEmbedding(s)
	if server == nil {
		return nil, nil
	}
	tolerations, err := verbatim[corev1ac.TolerationApplyConfiguration](server.Tolerations)
	if err != nil {
		return nil, fmt.Errorf("spec.embedding.textEmbeddingsInference.server.tolerations: %w", err)
	}
	pod := corev1ac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(int64((embeddingDrain + 30*time.Second).Seconds())).
		WithSecurityContext(podSecurity()).
		WithContainers(embeddingContainer(s, server, in.EmbeddingImage)).
		WithVolumes(
			modelVolume(*server.ModelCache),
			corev1ac.Volume().WithName("tmp").WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(resource.MustParse("64Mi"))),
		).
		WithTopologySpreadConstraints(spreadOver(metav1ac.LabelSelector().WithMatchLabels(Selector(s, ComponentEmbedding)))...).
		WithTolerations(tolerations...).
		WithNodeSelector(server.NodeSelector)
	if t := server.Token; t != nil {
		pod.WithVolumes(corev1ac.Volume().WithName("token").WithSecret(corev1ac.SecretVolumeSource().
			WithSecretName(t.Name).
			WithDefaultMode(secretMode).
			WithItems(corev1ac.KeyToPath().WithKey(t.Key).WithPath("token"))))
	}
	for _, secret := range s.Spec.Workload.ImagePullSecrets {
		pod.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	spec := appsv1ac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s, ComponentEmbedding))).
		WithRevisionHistoryLimit(revisionHistory).
		WithProgressDeadlineSeconds(int32((embeddingStartup + 5*time.Minute).Seconds())).
		WithStrategy(appsv1ac.DeploymentStrategy().
			WithType(appsv1.RollingUpdateDeploymentStrategyType).
			WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
				WithMaxUnavailable(intstr.FromInt32(0)).
				WithMaxSurge(intstr.FromInt32(1)))).
		WithTemplate(corev1ac.PodTemplateSpec().WithLabels(labels(s, ComponentEmbedding)).WithSpec(pod))
	if !EmbeddingAutoscaled(s) {
		spec.WithReplicas(*server.MinReplicas)
	}
	d := appsv1ac.Deployment(EmbeddingName(s), s.Namespace).
		WithLabels(labels(s, ComponentEmbedding)).
		WithOwnerReferences(owner(s)).
		WithSpec(spec)
	if server.Image == "" {
		d.WithAnnotations(map[string]string{AnnotationEmbeddingImage: in.EmbeddingImage})
	}
	return d, nil
}

func modelVolume(cache v1alpha1.ModelCache) *corev1ac.VolumeApplyConfiguration {
	volume := corev1ac.Volume().WithName("models")
	if cache.PersistentVolumeClaim != "" {
		return volume.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(cache.PersistentVolumeClaim))
	}
	return volume.WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(*cache.Size))
}

// embeddingContainer is told all in its environment, which each of its options can be
// set by: the image of a stand-in or of another build needs no arguments of ours.
func embeddingContainer(s *v1alpha1.RAGService, server *v1alpha1.EmbeddingServer, image string) *corev1ac.ContainerApplyConfiguration {
	variable := func(name, value string) *corev1ac.EnvVarApplyConfiguration {
		return corev1ac.EnvVar().WithName(name).WithValue(value)
	}
	health := func() *corev1ac.ProbeApplyConfiguration {
		return corev1ac.Probe().
			WithHTTPGet(corev1ac.HTTPGetAction().WithPath("/health").WithPort(intstr.FromString(embeddingPortName))).
			WithTimeoutSeconds(5)
	}
	env := []*corev1ac.EnvVarApplyConfiguration{
		variable("MODEL_ID", s.Spec.Embedding.TextEmbeddingsInference.Model),
		variable("PORT", strconv.Itoa(embeddingPort)),
		variable("HUGGINGFACE_HUB_CACHE", embeddingData),
		variable("HF_HOME", embeddingHome),
	}
	if server.Revision != "" {
		env = append(env, variable("REVISION", server.Revision))
	}
	mounts := []*corev1ac.VolumeMountApplyConfiguration{
		corev1ac.VolumeMount().WithName("models").WithMountPath(embeddingData),
		corev1ac.VolumeMount().WithName("tmp").WithMountPath("/tmp"),
	}
	if server.Token != nil {
		mounts = append(mounts, corev1ac.VolumeMount().WithName("token").WithMountPath(embeddingHome).WithReadOnly(true))
	}
	return corev1ac.Container().
		WithName("text-embeddings-inference").
		WithImage(image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithEnv(env...).
		WithPorts(corev1ac.ContainerPort().WithName(embeddingPortName).WithContainerPort(embeddingPort).WithProtocol(corev1.ProtocolTCP)).
		WithResources(resources(*server.Resources)).
		WithSecurityContext(containerSecurity()).
		WithVolumeMounts(mounts...).
		WithLifecycle(corev1ac.Lifecycle().WithPreStop(corev1ac.LifecycleHandler().
			WithSleep(corev1ac.SleepAction().WithSeconds(int64(embeddingDrain.Seconds()))))).
		WithStartupProbe(health().WithPeriodSeconds(5).WithFailureThreshold(int32(embeddingStartup / (5 * time.Second)))).
		WithReadinessProbe(health().WithPeriodSeconds(5).WithFailureThreshold(3)).
		WithLivenessProbe(health().WithPeriodSeconds(10).WithFailureThreshold(6))
}

func embeddingService(s *v1alpha1.RAGService) *corev1ac.ServiceApplyConfiguration {
	if ManagedEmbedding(s) == nil {
		return nil
	}
	return corev1ac.Service(EmbeddingName(s), s.Namespace).
		WithLabels(labels(s, ComponentEmbedding)).
		WithOwnerReferences(owner(s)).
		WithSpec(corev1ac.ServiceSpec().
			WithSelector(Selector(s, ComponentEmbedding)).
			WithPorts(servicePort(embeddingPortName, embeddingPort).WithAppProtocol("http")))
}

// embeddingNetworkPolicy lets in the pods of the service, and nobody else.
func embeddingNetworkPolicy(s *v1alpha1.RAGService) *networkingv1ac.NetworkPolicyApplyConfiguration {
	if ManagedEmbedding(s) == nil || !networkPolicyWanted(s) {
		return nil
	}
	return ingressPolicy(s, EmbeddingName(s), ComponentEmbedding, fromRuntime(s, embeddingPortName))
}

func embeddingDisruptionBudget(s *v1alpha1.RAGService) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	if server := ManagedEmbedding(s); server == nil || *server.MinReplicas < 2 {
		return nil
	}
	return budget(s, EmbeddingName(s), ComponentEmbedding)
}

// embeddingAutoscaler scales on CPU, which is what the server is short of first.
func embeddingAutoscaler(s *v1alpha1.RAGService) (*autoscalingv2ac.HorizontalPodAutoscalerApplyConfiguration, error) {
	if !EmbeddingAutoscaled(s) {
		return nil, nil
	}
	server := ManagedEmbedding(s)
	behavior, err := autoscalerBehavior(nil)
	if err != nil {
		return nil, err
	}
	return autoscalingv2ac.HorizontalPodAutoscaler(EmbeddingName(s), s.Namespace).
		WithLabels(labels(s, ComponentEmbedding)).
		WithOwnerReferences(owner(s)).
		WithSpec(autoscalingv2ac.HorizontalPodAutoscalerSpec().
			WithScaleTargetRef(autoscalingv2ac.CrossVersionObjectReference().
				WithAPIVersion(DeploymentKind.GroupVersion().String()).
				WithKind(DeploymentKind.Kind).
				WithName(EmbeddingName(s))).
			WithMinReplicas(*server.MinReplicas).
			WithMaxReplicas(*server.MaxReplicas).
			WithMetrics(autoscalingv2ac.MetricSpec().
				WithType(autoscalingv2.ResourceMetricSourceType).
				WithResource(autoscalingv2ac.ResourceMetricSource().
					WithName(corev1.ResourceCPU).
					WithTarget(autoscalingv2ac.MetricTarget().
						WithType(autoscalingv2.UtilizationMetricType).
						WithAverageUtilization(*server.CPUPercent)))).
			WithBehavior(behavior)), nil
}
