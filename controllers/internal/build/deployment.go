package build

import (
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/runtime/config"
)

const (
	// revisionHistory is how many former ReplicaSets are kept to roll back to, and
	// with them their configurations.
	revisionHistory = 3
	// shutdownMargin is what a pod gets beyond its drain to flush and close.
	shutdownMargin = 10 * time.Second
	// startupBudget is how long a pod may take to load its documents.
	startupBudget = 5 * time.Minute
	// runtimeUser is not root, and the user of the runtime image.
	runtimeUser = 65532
	// ContainerName of the query runtime in its pods.
	ContainerName = "runtime"
)

func runtimeDeployment(in Input) (*appsv1ac.DeploymentApplyConfiguration, error) {
	s := in.Service
	template, err := podTemplate(in)
	if err != nil {
		return nil, err
	}
	spec := appsv1ac.DeploymentSpec().
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s, ComponentRuntime))).
		WithRevisionHistoryLimit(revisionHistory).
		WithStrategy(appsv1ac.DeploymentStrategy().
			WithType(appsv1.RollingUpdateDeploymentStrategyType).
			WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
				WithMaxUnavailable(intstr.FromInt32(0)).
				WithMaxSurge(intstr.FromString("25%")))).
		WithTemplate(template)
	if !Autoscaled(s) && !in.ReplicasHeld {
		spec.WithReplicas(s.Spec.Scaling.MinReplicas)
	}
	d := appsv1ac.Deployment(s.Name, s.Namespace).
		WithLabels(labels(s, ComponentRuntime)).
		WithOwnerReferences(owner(s)).
		WithSpec(spec)
	if in.RecordImage {
		d.WithAnnotations(map[string]string{AnnotationRuntimeImage: in.Image})
	}
	return d, nil
}

func podTemplate(in Input) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	s, w := in.Service, in.Service.Spec.Workload
	tolerations, err := verbatim[corev1ac.TolerationApplyConfiguration](w.Tolerations)
	if err != nil {
		return nil, fmt.Errorf("spec.workload.tolerations: %w", err)
	}
	spread, err := topologySpread(s)
	if err != nil {
		return nil, err
	}
	affinity, err := affinity(s)
	if err != nil {
		return nil, err
	}
	pod := corev1ac.PodSpec().
		WithServiceAccountName(ServiceAccountName(s)).
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(gracePeriod(in.Content.Config.Server)).
		WithSecurityContext(podSecurity()).
		WithInitContainers(sidecars(w.Sidecars)...).
		WithContainers(runtimeContainer(in)).
		WithVolumes(volumes(s, in.Content)...).
		WithVolumes(extraVolumes(w.Volumes)...).
		WithTopologySpreadConstraints(spread...).
		WithTolerations(tolerations...).
		WithNodeSelector(w.NodeSelector)
	for _, secret := range w.ImagePullSecrets {
		pod.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	if affinity != nil {
		pod.WithAffinity(affinity)
	}
	if w.PriorityClassName != "" {
		pod.WithPriorityClassName(w.PriorityClassName)
	}
	l := podLabels(s, ComponentRuntime, w.PodLabels)
	l[LabelConfig] = in.Content.Hash
	template := corev1ac.PodTemplateSpec().WithLabels(l).WithAnnotations(w.PodAnnotations).WithSpec(pod)
	if in.Documents != "" {
		template.WithAnnotations(map[string]string{AnnotationDocuments: in.Documents})
	}
	return template, nil
}

// ServiceAccountName is the identity of the pods.
func ServiceAccountName(s *v1alpha1.RAGService) string {
	if name := s.Spec.Workload.ServiceAccount.Name; name != "" {
		return name
	}
	return s.Name
}

// gracePeriod covers all that the runtime does between SIGTERM and its exit.
func gracePeriod(server config.Server) int64 {
	return int64((server.DrainDelay + server.DrainTimeout + shutdownMargin).Round(time.Second).Seconds())
}

func runtimeContainer(in Input) *corev1ac.ContainerApplyConfiguration {
	s := in.Service
	return corev1ac.Container().
		WithName(ContainerName).
		WithImage(in.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithArgs("--config="+configPath+"/"+configFile).
		WithEnv(memoryLimit(s.Spec.Workload.Resources)...).
		WithEnv(environment(s.Spec.Workload.Env)...).
		WithPorts(
			corev1ac.ContainerPort().WithName(queryPortName).WithContainerPort(QueryPort).WithProtocol(corev1.ProtocolTCP),
			corev1ac.ContainerPort().WithName(AdminPortName).WithContainerPort(AdminPort).WithProtocol(corev1.ProtocolTCP),
		).
		WithResources(resources(s.Spec.Workload.Resources)).
		WithSecurityContext(containerSecurity()).
		WithVolumeMounts(mounts(s)...).
		WithVolumeMounts(extraMounts(s.Spec.Workload.VolumeMounts)...).
		WithStartupProbe(probe("/startupz").WithPeriodSeconds(1).WithFailureThreshold(int32(startupBudget / time.Second))).
		WithReadinessProbe(probe("/readyz").WithPeriodSeconds(5).WithFailureThreshold(2)).
		WithLivenessProbe(probe("/livez").WithPeriodSeconds(10).WithFailureThreshold(6))
}

func probe(path string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(AdminPortName))).
		WithTimeoutSeconds(3)
}

// memoryLimit tells the Go runtime of the container's limit, less a tenth for
// what it does not count, so that it collects harder before the kernel kills.
func memoryLimit(r corev1.ResourceRequirements) []*corev1ac.EnvVarApplyConfiguration {
	limit, ok := r.Limits[corev1.ResourceMemory]
	if !ok {
		return nil
	}
	bytes := limit.Value() / 10 * 9
	return []*corev1ac.EnvVarApplyConfiguration{corev1ac.EnvVar().WithName("GOMEMLIMIT").WithValue(strconv.FormatInt(bytes, 10))}
}

func resources(r corev1.ResourceRequirements) *corev1ac.ResourceRequirementsApplyConfiguration {
	c := corev1ac.ResourceRequirements()
	if len(r.Requests) > 0 {
		c.WithRequests(r.Requests)
	}
	if len(r.Limits) > 0 {
		c.WithLimits(r.Limits)
	}
	return c
}

// topologySpread spreads pods over zones and hosts as far as it goes, or as the
// user says. A constraint without selector counts the service's own pods.
func topologySpread(s *v1alpha1.RAGService) ([]*corev1ac.TopologySpreadConstraintApplyConfiguration, error) {
	own := metav1ac.LabelSelector().WithMatchLabels(Selector(s, ComponentRuntime))
	if len(s.Spec.Workload.TopologySpreadConstraints) > 0 {
		constraints, err := verbatim[corev1ac.TopologySpreadConstraintApplyConfiguration](s.Spec.Workload.TopologySpreadConstraints)
		if err != nil {
			return nil, fmt.Errorf("spec.workload.topologySpreadConstraints: %w", err)
		}
		for _, c := range constraints {
			if c.LabelSelector == nil {
				c.WithLabelSelector(own)
			}
		}
		return constraints, nil
	}
	return spreadOver(own), nil
}

// spreadOver spreads the pods over zones and hosts as far as it goes.
func spreadOver(pods *metav1ac.LabelSelectorApplyConfiguration) []*corev1ac.TopologySpreadConstraintApplyConfiguration {
	spread := func(key string) *corev1ac.TopologySpreadConstraintApplyConfiguration {
		return corev1ac.TopologySpreadConstraint().
			WithMaxSkew(1).
			WithTopologyKey(key).
			WithWhenUnsatisfiable(corev1.ScheduleAnyway).
			WithLabelSelector(pods)
	}
	return []*corev1ac.TopologySpreadConstraintApplyConfiguration{
		spread(corev1.LabelTopologyZone), spread(corev1.LabelHostname),
	}
}
