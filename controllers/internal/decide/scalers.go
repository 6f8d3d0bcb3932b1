package decide

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"

	"ragops.dev/ragservice/controllers/internal/build"
)

// A service has one autoscaler at a time: a HorizontalPodAutoscaler of the operator's
// or the one that KEDA makes for a ScaledObject. When one follows the other, the
// former is gone before the next is made, and in between nobody changes the number
// of replicas.

// kedaHolds names what KEDA still holds the replicas of a service with that is not
// to be scaled by KEDA; empty where it does not.
func kedaHolds(s Snapshot) string {
	if build.UsesKEDA(s.Service) {
		return ""
	}
	object, exists := s.Objects[Key{build.ScaledObjectKind, s.Service.Name}]
	if exists && object.Ownership != Foreign {
		return "KEDA to let go of ScaledObject " + s.Service.Name
	}
	autoscaler := build.KEDAAutoscalerName(s.Service)
	if _, exists := s.Objects[Key{build.AutoscalerKind, autoscaler}]; exists {
		return "KEDA's HorizontalPodAutoscaler " + autoscaler + " to be gone"
	}
	return ""
}

// waitsForAutoscaler is whether a child has to wait for a former autoscaler, or is
// one that has to stay until its successor can come. KEDA scales the query runtime and
// nothing else.
func (p *Plan) waitsForAutoscaler(s Snapshot, child build.Child) bool {
	switch {
	case child.Name != s.Service.Name:
	case child.Kind == build.AutoscalerKind && child.Config != nil:
		if held := kedaHolds(s); held != "" {
			p.Waiting = append(p.Waiting, held)
			return true
		}
	case child.Kind == build.AutoscalerKind:
		// It scales on until the cluster knows ScaledObjects.
		return build.UsesKEDA(s.Service) && !s.Served[build.ScaledObjectKind]
	case child.Kind == build.ScaledObjectKind && child.Config != nil && s.Served[child.Kind]:
		former, exists := s.Objects[Key{build.AutoscalerKind, s.Service.Name}]
		if exists && former.Ownership != Foreign {
			p.Waiting = append(p.Waiting, "the former HorizontalPodAutoscaler "+s.Service.Name+" to be gone")
			return true
		}
	case child.Kind == build.DeploymentKind && !build.Autoscaled(s.Service):
		if held := kedaHolds(s); held != "" {
			p.Waiting = append(p.Waiting, held) // it is applied without a number meanwhile
		}
	}
	return false
}

// replicas sees to the Deployments whose number of replicas is not in their
// configuration.
func (p *Plan) replicas(s Snapshot) {
	if build.Autoscaled(s.Service) || kedaHolds(s) != "" {
		p.scaled(s, s.Deployment, s.Service.Spec.Scaling.MinReplicas, wakes(s))
	}
	if build.EmbeddingAutoscaled(s.Service) {
		p.scaled(s, s.Embedding, *build.ManagedEmbedding(s.Service).MinReplicas, true)
	}
}

// Made sees to the replicas of a Deployment that the plan made: it is in the snapshot
// now, with the one replica of a Deployment that names no number.
func (p *Plan) Made(s Snapshot, deployment string) {
	const woken = false // it never had none
	switch {
	case deployment == s.Service.Name && (build.Autoscaled(s.Service) || kedaHolds(s) != ""):
		p.scaled(s, s.Deployment, s.Service.Spec.Scaling.MinReplicas, woken)
	case deployment == build.EmbeddingName(s.Service) && build.EmbeddingAutoscaled(s.Service):
		p.scaled(s, s.Embedding, *build.ManagedEmbedding(s.Service).MinReplicas, woken)
	}
}

// scaled sees to one that an autoscaler holds. Woken is whether one without a replica
// has to be brought back.
func (p *Plan) scaled(s Snapshot, d *appsv1.Deployment, least int32, woken bool) {
	if d == nil || d.Spec.Replicas == nil || !slices.ContainsFunc(p.Apply, func(c build.Child) bool {
		return c.Kind == build.DeploymentKind && c.Name == d.Name
	}) {
		return
	}
	current := *d.Spec.Replicas
	switch {
	case s.Objects[Key{build.DeploymentKind, d.Name}].OwnsReplicas:
		p.HandOver = append(p.HandOver, d)
	case d.Generation == 1 && current < least, current == 0 && woken:
		p.InitialReplicas = append(p.InitialReplicas, Replicas{d, max(least, 1)})
	}
}

// wakes is whether a service without a replica has to be woken: a
// HorizontalPodAutoscaler leaves alone what it did not scale to zero itself, such as
// what KEDA has. KEDA wakes its own.
func wakes(s Snapshot) bool {
	if !build.Autoscaled(s.Service) || build.UsesKEDA(s.Service) || kedaHolds(s) != "" {
		return false
	}
	_, exists := s.Objects[Key{build.AutoscalerKind, s.Service.Name}]
	return s.Service.Spec.Scaling.MinReplicas > 0 || !exists
}
