package build

import (
	"fmt"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"ragops.dev/ragservice/api/v1alpha1"
)

// Names of the volumes. A user's own volumes may not take them.
const (
	configVolume    = "config"
	secretsVolume   = "secrets"
	faqVolume       = "faq"
	documentsPrefix = "documents-"
)

// secretMode lets the pod's group read, and nobody else.
const secretMode = 0o440

// volumes are the configuration and all that it names. Secrets and the FAQ are
// projected key by key, so that the kubelet refuses a pod whose key is missing
// and replaces the files when they change.
func volumes(s *v1alpha1.RAGService, content Content) []*corev1ac.VolumeApplyConfiguration {
	v := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName(configVolume).
			WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(content.Name)),
	}
	if keys := secretKeys(s); len(keys) > 0 {
		projected := corev1ac.ProjectedVolumeSource().WithDefaultMode(secretMode)
		for _, key := range keys {
			projected.WithSources(corev1ac.VolumeProjection().WithSecret(corev1ac.SecretProjection().
				WithName(key.Name).
				WithItems(corev1ac.KeyToPath().WithKey(key.Key).WithPath(key.Name + "/" + key.Key))))
		}
		v = append(v, corev1ac.Volume().WithName(secretsVolume).WithProjected(projected))
	}
	if c := s.Spec.Cache; c != nil && c.FAQ != nil {
		key := c.FAQ.ConfigMap
		v = append(v, corev1ac.Volume().WithName(faqVolume).WithConfigMap(corev1ac.ConfigMapVolumeSource().
			WithName(key.Name).
			WithItems(corev1ac.KeyToPath().WithKey(key.Key).WithPath(key.Key))))
	}
	for i, name := range documents(s) {
		v = append(v, corev1ac.Volume().WithName(documentsVolume(i)).
			WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(name)))
	}
	return v
}

func mounts(s *v1alpha1.RAGService) []*corev1ac.VolumeMountApplyConfiguration {
	mount := func(name, path string) *corev1ac.VolumeMountApplyConfiguration {
		return corev1ac.VolumeMount().WithName(name).WithMountPath(path).WithReadOnly(true)
	}
	m := []*corev1ac.VolumeMountApplyConfiguration{mount(configVolume, configPath)}
	if len(secretKeys(s)) > 0 {
		m = append(m, mount(secretsVolume, secretsPath))
	}
	if c := s.Spec.Cache; c != nil && c.FAQ != nil {
		m = append(m, mount(faqVolume, faqPath))
	}
	for i := range documents(s) {
		m = append(m, mount(documentsVolume(i), documentsFolder(i)))
	}
	return m
}

// documents are the ConfigMaps that fill a memory store.
func documents(s *v1alpha1.RAGService) []string {
	if s.Spec.VectorStore.Memory == nil {
		return nil
	}
	var names []string
	for _, d := range s.Spec.VectorStore.Memory.Documents {
		names = append(names, d.ConfigMap.Name)
	}
	return names
}

func documentsVolume(i int) string { return fmt.Sprintf("%s%d", documentsPrefix, i) }
