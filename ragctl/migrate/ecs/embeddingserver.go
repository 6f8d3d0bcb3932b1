package ecs

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// embeddingImage runs Text Embeddings Inference on CPUs.
const embeddingImage = "ghcr.io/huggingface/text-embeddings-inference:cpu-1.8"

// addEmbeddingServer adds a server for the model that the old process ran itself,
// and returns its URL. A process per replica that loads the model becomes one
// service that all replicas call.
func (w *workload) addEmbeddingServer(model string) string {
	name := w.name + "-tei"
	meta := w.meta(name)
	meta.Labels["app.kubernetes.io/name"] = name
	selector := map[string]string{"app.kubernetes.io/name": name}
	probe := func(failures int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromString("http")}},
			PeriodSeconds: 10, FailureThreshold: failures,
		}
	}
	w.add(&appsv1.Deployment{
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)),
			Selector: &metav1.LabelSelector{MatchLabels: selector},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels},
				Spec: corev1.PodSpec{
					AutomountServiceAccountToken: new(false),
					EnableServiceLinks:           new(false),
					Containers: []corev1.Container{{
						Name: "embeddings", Image: embeddingImage,
						Args:  []string{"--model-id", model, "--port", "8080"},
						Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
						Env:   []corev1.EnvVar{{Name: "HUGGINGFACE_HUB_CACHE", Value: "/data"}},
						Resources: corev1.ResourceRequirements{
							Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
							Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")},
						},
						// The model is downloaded at the first start.
						StartupProbe: probe(60), ReadinessProbe: probe(3), LivenessProbe: probe(6),
						VolumeMounts: []corev1.VolumeMount{{Name: "models", MountPath: "/data"}},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: new(false),
							Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
							RunAsNonRoot:             new(true), RunAsUser: new(int64(65532)),
							SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
						},
					}},
					Volumes: []corev1.Volume{{Name: "models", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
				},
			},
		},
	})
	service := meta
	service.Labels = meta.Labels
	w.add(&corev1.Service{
		ObjectMeta: service,
		Spec:       corev1.ServiceSpec{Selector: selector, Ports: []corev1.ServicePort{{Name: "http", Port: 8080, TargetPort: intstr.FromString("http")}}},
	})
	w.task(ledger.Task{
		Step:   ledger.StepPrepare,
		Title:  "Check the embedding server " + name,
		Detail: "The old process ran the model " + model + " itself; this Deployment serves the same one to all replicas. Its vectors must be those that the documents in the vector store have: compare one before the cut-over.",
	})
	return fmt.Sprintf("http://%s.%s:8080", name, w.options.Namespace)
}
