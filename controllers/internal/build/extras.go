package build

import (
	"bytes"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// What the user adds to the pods. The schema keeps it out of what the operator's own
// containers, volumes and paths are called.

// affinity is taken as a Pod has it, with no field that a Pod does not: the schema does
// not spell it out.
func affinity(s *v1alpha1.RAGService) (*corev1ac.AffinityApplyConfiguration, error) {
	raw := s.Spec.Workload.Affinity
	if raw == nil {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw.Raw))
	decoder.DisallowUnknownFields()
	c := corev1ac.Affinity()
	if err := decoder.Decode(c); err != nil {
		return nil, fmt.Errorf("spec.workload.affinity: must be as spec.affinity of a Pod: %w", err)
	}
	return c, nil
}

func environment(variables []v1alpha1.EnvironmentVariable) []*corev1ac.EnvVarApplyConfiguration {
	var list []*corev1ac.EnvVarApplyConfiguration
	for _, v := range variables {
		c := corev1ac.EnvVar().WithName(v.Name)
		switch {
		case v.Secret != nil:
			c.WithValueFrom(corev1ac.EnvVarSource().WithSecretKeyRef(
				corev1ac.SecretKeySelector().WithName(v.Secret.Name).WithKey(v.Secret.Key)))
		case v.ConfigMap != nil:
			c.WithValueFrom(corev1ac.EnvVarSource().WithConfigMapKeyRef(
				corev1ac.ConfigMapKeySelector().WithName(v.ConfigMap.Name).WithKey(v.ConfigMap.Key)))
		case v.Field != "":
			c.WithValueFrom(corev1ac.EnvVarSource().WithFieldRef(corev1ac.ObjectFieldSelector().WithFieldPath(v.Field)))
		case v.Value != nil:
			c.WithValue(*v.Value)
		}
		list = append(list, c)
	}
	return list
}

func extraVolumes(volumes []v1alpha1.PodVolume) []*corev1ac.VolumeApplyConfiguration {
	var list []*corev1ac.VolumeApplyConfiguration
	for _, v := range volumes {
		c := corev1ac.Volume().WithName(v.Name)
		switch {
		case v.EmptyDir != nil:
			c.WithEmptyDir(corev1ac.EmptyDirVolumeSource().WithSizeLimit(v.EmptyDir.Size))
		case v.Secret != nil:
			c.WithSecret(corev1ac.SecretVolumeSource().WithSecretName(v.Secret.Name).WithDefaultMode(secretMode))
		case v.ConfigMap != nil:
			c.WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(v.ConfigMap.Name))
		case v.PersistentVolumeClaim != "":
			c.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(v.PersistentVolumeClaim))
		case v.CSI != nil:
			c.WithCSI(corev1ac.CSIVolumeSource().WithDriver(v.CSI.Driver).WithReadOnly(true).WithVolumeAttributes(v.CSI.Attributes))
		}
		list = append(list, c)
	}
	return list
}

func extraMounts(mounts []v1alpha1.VolumeMount) []*corev1ac.VolumeMountApplyConfiguration {
	var list []*corev1ac.VolumeMountApplyConfiguration
	for _, m := range mounts {
		c := corev1ac.VolumeMount().WithName(m.Name).WithMountPath(m.MountPath)
		if m.ReadOnly {
			c.WithReadOnly(true)
		}
		list = append(list, c)
	}
	return list
}

// sidecars are containers that start before the runtime and end after it: what they
// give, such as the way to a database, is there for as long as queries are.
func sidecars(list []v1alpha1.Sidecar) []*corev1ac.ContainerApplyConfiguration {
	var containers []*corev1ac.ContainerApplyConfiguration
	for _, s := range list {
		security := containerSecurity()
		if s.User != nil {
			security.WithRunAsUser(*s.User)
		}
		containers = append(containers, corev1ac.Container().
			WithName(s.Name).
			WithImage(s.Image).
			WithImagePullPolicy(corev1.PullIfNotPresent).
			WithRestartPolicy(corev1.ContainerRestartPolicyAlways).
			WithCommand(s.Command...).
			WithArgs(s.Args...).
			WithEnv(environment(s.Env)...).
			WithResources(resources(s.Resources)).
			WithSecurityContext(security).
			WithVolumeMounts(extraMounts(s.VolumeMounts)...))
	}
	return containers
}
