package ecs

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// awsCredentials are the variables that the pod's identity takes the place of.
var awsCredentials = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"}

func isAWSCredential(name string) bool { return slices.Contains(awsCredentials, name) }

// dropCredentials claims static AWS credentials, which nothing takes over.
func (w *workload) dropCredentials(s *setting) {
	note := "Static credentials are not carried over: the pod's identity takes their place. Deactivate the key."
	if w.identity.taskRole == "" {
		note = "Static credentials are not carried over, and the task has no role to take their place: make one with what the key may do, and deactivate the key."
	}
	w.claim(s.node, ledger.Person, "", note, ledger.StepIdentity)
}

// claimDuplicates claims the settings that a later one of the same name overrides.
func (w *workload) claimDuplicates(ctr *container) {
	effective := ctr.effective()
	for _, s := range ctr.env {
		if !slices.Contains(effective, s) && s.node != nil {
			w.claim(s.node, ledger.Ignored, "", "A later entry of the same name overrides it.", "")
		}
	}
}

// convertEnvironment maps environment and secrets of a container whose image is
// kept.
func (w *workload) convertEnvironment(ctr *container) {
	w.claimDuplicates(ctr)
	hasRegion := false
	for _, s := range ctr.effective() {
		target := w.podField("containers[" + ctr.name + "].env[" + s.name + "]")
		switch {
		case isAWSCredential(s.name):
			w.dropCredentials(s)
		case !envName.MatchString(s.name):
			w.claim(s.node, ledger.Person, "", "Not a name that a variable can have in Kubernetes: left out.", ledger.StepWorkload)
		case s.isSecret():
			ref := w.secrets.ref(s)
			ctr.spec.Env = append(ctr.spec.Env, secretEnv(s.name, ref.Name, ref.Key))
			w.claimSecret(s, ref, target)
		default:
			hasRegion = hasRegion || s.name == "AWS_REGION" || s.name == "AWS_DEFAULT_REGION"
			ctr.spec.Env = append(ctr.spec.Env, corev1.EnvVar{Name: s.name, Value: escapeReferences(s.value)})
			w.claimValue(s, target)
		}
	}
	// ECS sets AWS_REGION in every task; nothing does in a pod.
	if region := w.region(); region != "" && !hasRegion && ctr == w.main {
		ctr.spec.Env = append(ctr.spec.Env, corev1.EnvVar{Name: "AWS_REGION", Value: region})
	}
}

func (w *workload) claimValue(s *setting, target string) {
	switch {
	case s.node == nil:
	case strings.Contains(s.value, "169.254.170.2") || strings.Contains(s.value, "169.254.169.254"):
		w.claim(s.node, ledger.Person, target, "An address of ECS's or EC2's metadata, which pods don't have or should not use.", ledger.StepWorkload)
	default:
		w.mapped(s.node, target)
	}
}

func secretEnv(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key},
	}}
}
