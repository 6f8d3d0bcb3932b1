package decide

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/runtime/config"
)

// Plan is what should happen.
type Plan struct {
	// DeleteFirst are objects to delete before anything is applied: an autoscaler
	// must be gone before the Deployment gets a number of replicas.
	DeleteFirst []Key
	// Apply are the children as they should be, in order.
	Apply []build.Child
	// Delete are objects to delete at the end.
	Delete []Key
	// Adopt are objects of the service to make its own again, before anything that
	// depends on them, without touching their content.
	Adopt []build.Child
	// HandOver are the Deployments whose number of replicas is to be handed over to the
	// autoscaler before they are applied without one: a field that nobody owns any
	// more would fall back to its default, 1.
	HandOver []*appsv1.Deployment
	// InitialReplicas are Deployments that were never changed since they were made, and
	// what to bring them to, so that they need not wait for the autoscaler to look.
	InitialReplicas []Replicas
	// Problems that a person has to solve; the first is the one to show.
	Problems []Problem
	// Waiting names what is waited for.
	Waiting []string
	// Image of the query runtime.
	Image string
}

// Replicas is a number of replicas for a Deployment.
type Replicas struct {
	Deployment *appsv1.Deployment
	Number     int32
}

// Problem is something that only a person can change.
type Problem struct {
	// Reason of the condition, one of the constants of the API.
	Reason string
	// Message says what is wrong, where, and what would be right.
	Message string
}

// Decide makes the plan.
func Decide(s Snapshot) Plan {
	image, record := Image(s)
	plan := Plan{Image: image}
	if s.Service.Spec.Suspend {
		return plan
	}
	if err := errors.Join(s.ContentError, Check(s.Service)); err != nil {
		return plan.refuse(v1alpha1.ReasonInvalidSpec, err.Error())
	}
	children, err := build.Children(build.Input{
		Service:        s.Service,
		Content:        s.Content,
		Image:          image,
		RecordImage:    record,
		EmbeddingImage: EmbeddingImage(s),
		Documents:      documents(s.References),
		RedisPassword:  s.RedisPassword,
		ReplicasHeld:   kedaHolds(s) != "",
		Operator:       s.Operator,
	})
	if err != nil {
		return plan.refuse(v1alpha1.ReasonInvalidSpec, err.Error())
	}
	if missing := missingReferences(s.References); missing != "" {
		plan.Problems = append(plan.Problems, Problem{v1alpha1.ReasonReferenceNotFound, missing})
	}
	for _, child := range children {
		if lacksReferences(s, child) {
			continue
		}
		if plan.waitsForAutoscaler(s, child) || waitsForEmbedding(s, child) {
			continue
		}
		plan.child(s, child)
	}
	plan.redisSecret(s)
	plan.configurations(s)
	plan.replicas(s)
	return plan
}

func (p Plan) refuse(reason, message string) Plan {
	p.Problems = append(p.Problems, Problem{reason, message})
	return p
}

// child puts one child where it belongs.
func (p *Plan) child(s Snapshot, child build.Child) {
	if optional(child.Kind) && !s.Served[child.Kind] {
		return
	}
	key := Key{child.Kind, child.Name}
	object, exists := s.Objects[key]
	if child.Config == nil {
		if exists && object.Ownership == Own {
			p.delete(key)
		}
		return
	}
	if exists && !p.ours(key, object) {
		return
	}
	p.Apply = append(p.Apply, child)
}

func (p *Plan) delete(key Key) {
	if key.Kind == build.AutoscalerKind || key.Kind == build.ScaledObjectKind {
		p.DeleteFirst = append(p.DeleteFirst, key)
		return
	}
	p.Delete = append(p.Delete, key)
}

// ours says whether the object may be applied to, and notes why not.
func (p *Plan) ours(key Key, object Object) bool {
	switch object.Ownership {
	case Foreign:
		p.Problems = append(p.Problems, Problem{v1alpha1.ReasonNameConflict, fmt.Sprintf(
			"%s %s exists and does not belong to this RAGService: delete or rename it, or choose another name for the service",
			key.Kind.Kind, key.Name)})
		return false
	case Leftover:
		p.Waiting = append(p.Waiting, fmt.Sprintf("the former %s %s to be gone", key.Kind.Kind, key.Name))
		return false
	default:
		return true
	}
}

// redisSecret is not among the children, since its content is created once.
func (p *Plan) redisSecret(s Snapshot) {
	key := Key{build.SecretKind, build.RedisName(s.Service)}
	object, exists := s.Objects[key]
	if !exists {
		return
	}
	if build.ManagedRedis(s.Service) == nil {
		if object.Ownership == Own {
			p.Delete = append(p.Delete, key)
		}
		return
	}
	if p.ours(key, object) && (object.Ownership == Orphaned || !object.Labelled) {
		p.Adopt = append(p.Adopt, build.RedisSecretIdentity(s.Service))
	}
}

// NeedsRedisPassword is whether the managed Redis lacks its Secret.
func NeedsRedisPassword(s Snapshot) bool {
	if s.Service.Spec.Suspend || build.ManagedRedis(s.Service) == nil {
		return false
	}
	_, exists := s.Objects[Key{build.SecretKind, build.RedisName(s.Service)}]
	return !exists
}

// configurations deletes those that no ReplicaSet can be rolled back to any more.
func (p *Plan) configurations(s Snapshot) {
	if s.Deployment == nil {
		return // what is in use is only known once its ReplicaSets are
	}
	deployed := s.Deployment.Spec.Template.Labels[build.LabelConfig]
	for _, name := range s.Configurations {
		hash := name[strings.LastIndex(name, "-")+1:]
		if name != s.Content.Name && hash != deployed && !s.ConfigurationsInUse[hash] {
			p.Delete = append(p.Delete, Key{build.ConfigMapKind, name})
		}
	}
}

// Image is the image of the query runtime: the user's, or the one the service was
// made with, or the operator's. Record is whether to keep it across upgrades of
// the operator.
func Image(s Snapshot) (image string, record bool) {
	w := s.Service.Spec.Workload
	if w.Image != "" {
		return w.Image, false
	}
	if w.UpgradePolicy != v1alpha1.UpgradeAutomatic && s.Deployment != nil {
		if pinned := s.Deployment.Annotations[build.AnnotationRuntimeImage]; pinned != "" {
			return pinned, true
		}
	}
	return s.RuntimeImage, true
}

// EmbeddingImage is the image of the managed embedding: the user's, or the one it was
// made with, or the one that belongs to the operator's version.
func EmbeddingImage(s Snapshot) string {
	server := build.ManagedEmbedding(s.Service)
	switch {
	case server != nil && server.Image != "":
		return server.Image
	case s.Service.Spec.Workload.UpgradePolicy != v1alpha1.UpgradeAutomatic && s.Embedding != nil:
		if pinned := s.Embedding.Annotations[build.AnnotationEmbeddingImage]; pinned != "" {
			return pinned
		}
	}
	return build.EmbeddingImage
}

func optional(kind schema.GroupVersionKind) bool { return slices.Contains(build.OptionalKinds, kind) }

// lacksReferences are the children that do not work without a Secret or ConfigMap that
// their pods mount and that is missing. They are left as they are: pods that run keep
// running.
func lacksReferences(s Snapshot, child build.Child) bool {
	component := build.ComponentRuntime
	switch {
	case child.Kind == build.ConfigMapKind && child.Name == s.Content.Name, child.Kind == build.ScaledObjectKind:
	case child.Kind != build.DeploymentKind && child.Kind != build.AutoscalerKind:
		return false
	case child.Name == build.EmbeddingName(s.Service):
		component = build.ComponentEmbedding
	}
	return slices.ContainsFunc(s.References, func(r Resolved) bool {
		return r.Component == component && (!r.Found || !r.HasKey)
	})
}

// waitsForEmbedding is whether the first pods have to wait for the embedding server:
// those of a memory store embed its documents when they start, and would fail until it
// is there, which may take it as long as the download of a model.
func waitsForEmbedding(s Snapshot, child build.Child) bool {
	if child.Kind != build.DeploymentKind || child.Name != s.Service.Name || s.Deployment != nil || s.Service.Spec.VectorStore.Memory == nil {
		return false
	}
	embedding := embeddingAvailable(s)
	return embedding != nil && embedding.Status != metav1.ConditionTrue
}

// missingReferences says what is missing; empty where nothing is.
func missingReferences(references []Resolved) string {
	var missing []string
	for _, r := range references {
		switch {
		case !r.Found:
			missing = append(missing, fmt.Sprintf("%s: %s %s does not exist", r.Field, r.Kind, r.Name))
		case !r.HasKey:
			missing = append(missing, fmt.Sprintf("%s: %s %s has no key %s", r.Field, r.Kind, r.Name, r.Key))
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return strings.Join(missing, "; ") + ": it is picked up as soon as it appears"
}

// documents identifies what fills a memory store; empty where nothing does.
func documents(references []Resolved) string {
	var digests []string
	for _, r := range references {
		if r.Kind == build.RefersToConfigMap && r.Key == "" && !r.Extra {
			digests = append(digests, r.Digest)
		}
	}
	if len(digests) == 0 {
		return ""
	}
	return config.Hash([]byte(strings.Join(digests, "\n")))
}

// RunningImage is the image that the Deployment's pods were told to run.
func RunningImage(d *appsv1.Deployment) string {
	for _, c := range d.Spec.Template.Spec.Containers {
		if c.Name == build.ContainerName {
			return c.Image
		}
	}
	return ""
}

// ModelName is the model that answers, for display.
func ModelName(p v1alpha1.ModelProvider) string {
	switch {
	case p.OpenAI != nil:
		return p.OpenAI.Model
	case p.Anthropic != nil:
		return p.Anthropic.Model
	case p.Bedrock != nil:
		return p.Bedrock.Model
	default:
		return "extractive"
	}
}
