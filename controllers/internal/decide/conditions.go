package decide

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/status"
)

// Conditions are what to tell the user. Failure is what went wrong when the plan
// was carried out; nil where nothing did.
func Conditions(s Snapshot, plan Plan, failure error) []metav1.Condition {
	var set status.Set
	runtime := runtimeAvailable(s)
	set.Add(runtime)
	set.Add(cacheAvailable(s))
	embedding := embeddingAvailable(s)
	set.Add(embedding)
	set.Add(scalingActive(s))
	set.Add(maxReplicasSupported(s))
	set.Add(monitoringConfigured(s))
	set.Add(exposed(s))
	set.Add(dependenciesReachable(s))
	set.Add(objectivesMet(s))

	if s.Service.Spec.Suspend {
		set.Add(suspended(worse(runtime, embedding)))
		return set.Conditions(s.Service)
	}
	if problem := stalled(s, plan); problem != nil {
		set.Add(status.False(v1alpha1.ConditionReady, problem.Reason, problem.Message))
		set.Add(status.True(v1alpha1.ConditionStalled, problem.Reason, problem.Message))
		return set.Conditions(s.Service)
	}
	reconciling := reconciling(s, plan, failure)
	set.Add(reconciling)
	set.Add(ready(s, worse(runtime, embedding), reconciling, failure))
	return set.Conditions(s.Service)
}

// worse is what a query lacks: the runtime, or else the embedding, which is nil where
// the operator runs none.
func worse(runtime, embedding *metav1.Condition) *metav1.Condition {
	if runtime.Status == metav1.ConditionTrue && embedding != nil && embedding.Status != metav1.ConditionTrue {
		return embedding
	}
	return runtime
}

// ready sums up what a query depends on. While a new generation rolls out it is
// Unknown as long as the old pods answer.
func ready(s Snapshot, serving, reconciling *metav1.Condition, failure error) *metav1.Condition {
	switch {
	case serving.Status != metav1.ConditionTrue:
		return status.False(v1alpha1.ConditionReady, serving.Reason, serving.Message)
	case failure != nil:
		// A call that failed is tried again: it is no reason to call a service that
		// was as declared anything else.
		if c := meta.FindStatusCondition(s.Service.Status.Conditions, v1alpha1.ConditionReady); c != nil &&
			c.Status == metav1.ConditionTrue && c.ObservedGeneration == s.Service.Generation {
			return status.True(v1alpha1.ConditionReady, c.Reason, c.Message)
		}
		return status.Unknown(v1alpha1.ConditionReady, reconciling.Reason, reconciling.Message)
	case !rolledOut(s):
		return status.Unknown(v1alpha1.ConditionReady, v1alpha1.ReasonProgressing, "the new configuration is rolling out; the old pods answer until it has")
	case !embeddingRolledOut(s):
		return status.Unknown(v1alpha1.ConditionReady, v1alpha1.ReasonProgressing, "the new embedding server is rolling out; the old one is asked until it has")
	case scaledToZero(s):
		return status.True(v1alpha1.ConditionReady, serving.Reason, serving.Message)
	default:
		return status.True(v1alpha1.ConditionReady, v1alpha1.ReasonSucceeded, "answers at "+build.Endpoint(s.Service))
	}
}

func suspended(serving *metav1.Condition) *metav1.Condition {
	message := "spec.suspend is set: the operator changes nothing"
	if serving.Status != metav1.ConditionTrue {
		message += "; " + serving.Message
	}
	return &metav1.Condition{Type: v1alpha1.ConditionReady, Status: serving.Status, Reason: v1alpha1.ReasonSuspended, Message: message}
}

// stalled is what only a person can change.
func stalled(s Snapshot, plan Plan) *Problem {
	if len(plan.Problems) > 0 {
		var messages []string
		for _, p := range plan.Problems {
			messages = append(messages, p.Message)
		}
		return &Problem{plan.Problems[0].Reason, strings.Join(messages, "; ")}
	}
	if s.Measured != nil && s.Measured.Mismatch != nil {
		return &Problem{v1alpha1.ReasonEmbeddingMismatch, mismatch(*s.Measured.Mismatch)}
	}
	switch {
	case gaveUp(s.Deployment):
		return podsNotReady(s, availableOf(s), build.ComponentRuntime)
	case build.ManagedEmbedding(s.Service) != nil && gaveUp(s.Embedding):
		return podsNotReady(s, embeddingAvailableOf(s), build.ComponentEmbedding)
	default:
		return nil
	}
}

// gaveUp is whether a rollout takes longer than its Deployment allows.
func gaveUp(d *appsv1.Deployment) bool {
	return d != nil && slices.ContainsFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse
	})
}

func podsNotReady(s Snapshot, available, component string) *Problem {
	return &Problem{v1alpha1.ReasonPodsNotReady, fmt.Sprintf("%s; see kubectl describe pods -l %s", available,
		metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: build.Selector(s.Service, component)}))}
}

// reconciling is nil once the cluster is as the spec says.
func reconciling(s Snapshot, plan Plan, failure error) *metav1.Condition {
	waiting := plan.Waiting
	if s.Deployment == nil || !rolledOut(s) || s.Deployment.Status.AvailableReplicas < minimum(s) {
		waiting = append(waiting, "the runtime's pods")
	}
	if build.ManagedRedis(s.Service) != nil && !redisReady(s) {
		waiting = append(waiting, "Redis")
	}
	if c := embeddingAvailable(s); c != nil && c.Status != metav1.ConditionTrue || !embeddingRolledOut(s) {
		waiting = append(waiting, "the embedding server")
	}
	switch {
	case failure != nil:
		return status.True(v1alpha1.ConditionReconciling, v1alpha1.ReasonApplyFailed, failure.Error())
	case len(waiting) > 0:
		return status.True(v1alpha1.ConditionReconciling, v1alpha1.ReasonProgressing, "waiting for "+strings.Join(waiting, " and "))
	default:
		return nil
	}
}

// minimum is how many pods have to be there, whatever the autoscaler wants beyond
// it. Where there may be none and some are wanted, it is one.
func minimum(s Snapshot) int32 {
	least := s.Service.Spec.Scaling.MinReplicas
	if least == 0 && !scaledToZero(s) {
		return 1
	}
	return least
}

// scaledToZero is whether a service has no pod because it may have none.
func scaledToZero(s Snapshot) bool {
	return s.Service.Spec.Scaling.MinReplicas == 0 && s.Deployment != nil &&
		s.Deployment.Spec.Replicas != nil && *s.Deployment.Spec.Replicas == 0
}

func runtimeAvailable(s Snapshot) *metav1.Condition {
	switch {
	case s.Deployment == nil:
		return status.False(v1alpha1.ConditionRuntimeAvailable, v1alpha1.ReasonProgressing, "the Deployment does not exist yet")
	case scaledToZero(s):
		return status.True(v1alpha1.ConditionRuntimeAvailable, v1alpha1.ReasonScaledToZero,
			"no replica runs, as spec.scaling allows; queries fail until demand or keda.cron brings one back")
	case s.Deployment.Status.AvailableReplicas >= minimum(s):
		return status.True(v1alpha1.ConditionRuntimeAvailable, v1alpha1.ReasonSucceeded, fmt.Sprintf("at least %d replicas are available", minimum(s)))
	default:
		return status.False(v1alpha1.ConditionRuntimeAvailable, v1alpha1.ReasonPodsNotReady, join(": ", availableOf(s), replicaFailure(s.Deployment)))
	}
}

// replicaFailure says why pods cannot be made; empty where they can.
func replicaFailure(d *appsv1.Deployment) string {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}

// embeddingAvailable is nil where the operator runs no embedding server.
func embeddingAvailable(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionEmbeddingAvailable
	server := build.ManagedEmbedding(s.Service)
	switch {
	case server == nil:
		return nil
	case s.Embedding == nil:
		return status.False(kind, v1alpha1.ReasonProgressing, "the Deployment "+build.EmbeddingName(s.Service)+" does not exist yet")
	case s.Embedding.Status.AvailableReplicas >= *server.MinReplicas:
		return status.True(kind, v1alpha1.ReasonSucceeded, fmt.Sprintf("at least %d replicas are available", *server.MinReplicas))
	default:
		return status.False(kind, v1alpha1.ReasonPodsNotReady, join(": ", embeddingAvailableOf(s), replicaFailure(s.Embedding)))
	}
}

func embeddingAvailableOf(s Snapshot) string {
	return fmt.Sprintf("%d of at least %d replicas of the embedding server are available",
		s.Embedding.Status.AvailableReplicas, *build.ManagedEmbedding(s.Service).MinReplicas)
}

func availableOf(s Snapshot) string {
	return fmt.Sprintf("%d of at least %d replicas are available", s.Deployment.Status.AvailableReplicas, minimum(s))
}

// rolledOut is whether all pods of the runtime are of the newest revision, and none are
// left over.
func rolledOut(s Snapshot) bool { return settled(s, s.Deployment, build.Autoscaled(s.Service)) }

// embeddingRolledOut is likewise of the embedding server; true where the operator runs
// none.
func embeddingRolledOut(s Snapshot) bool {
	return build.ManagedEmbedding(s.Service) == nil || settled(s, s.Embedding, build.EmbeddingAutoscaled(s.Service))
}

// settled is whether a Deployment has the pods that it should. An autoscaler that adds
// and takes away pods does not undo it.
func settled(s Snapshot, d *appsv1.Deployment, autoscaled bool) bool {
	if d == nil || !speaksOfNewest(s, build.DeploymentKind, d, d.Status.ObservedGeneration) {
		return false
	}
	none := d.Spec.Replicas != nil && *d.Spec.Replicas == 0
	if !autoscaled && d.Spec.Replicas != nil && d.Status.Replicas > *d.Spec.Replicas {
		return false
	}
	return d.Status.UpdatedReplicas == d.Status.Replicas && (d.Status.UpdatedReplicas > 0 || none)
}

// speaksOfNewest is whether the status of a workload is of the newest that was
// written: the cache may show a former object with its status still, above all in the
// very pass that applied a change.
func speaksOfNewest(s Snapshot, kind schema.GroupVersionKind, workload metav1.Object, observed int64) bool {
	return observed >= max(workload.GetGeneration(), s.Objects[Key{kind, workload.GetName()}].Generation)
}

func redisReady(s Snapshot) bool {
	r := s.Redis
	return r != nil && speaksOfNewest(s, build.StatefulSetKind, r, r.Status.ObservedGeneration) && r.Status.ReadyReplicas > 0 &&
		(r.Status.UpdateRevision == "" || r.Status.CurrentRevision == r.Status.UpdateRevision)
}

// cacheAvailable is nil without a Redis, and for one that runs elsewhere, of which
// only the pods know.
func cacheAvailable(s Snapshot) *metav1.Condition {
	switch {
	case build.ManagedRedis(s.Service) == nil:
		return externalCache(s)
	case s.Redis != nil && s.Redis.Status.ReadyReplicas > 0:
		return status.True(v1alpha1.ConditionCacheAvailable, v1alpha1.ReasonSucceeded, "Redis is ready")
	default:
		return status.False(v1alpha1.ConditionCacheAvailable, v1alpha1.ReasonPodsNotReady, "Redis is not ready; queries are answered without it")
	}
}

// exposed is nil where queries come from inside only.
func exposed(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionExposed
	e := s.Service.Spec.Exposure
	if e == nil {
		return nil
	}
	want := build.IngressKind
	if e.Gateway != nil {
		want = build.HTTPRouteKind
	}
	if optional(want) && !s.Served[want] {
		return status.False(kind, v1alpha1.ReasonCRDNotInstalled, fmt.Sprintf(
			"the cluster does not know %s (%s): made once the CRD is installed", want.Kind, want.GroupVersion()))
	}
	if _, exists := s.Objects[Key{want, s.Service.Name}]; !exists {
		return status.Unknown(kind, v1alpha1.ReasonProgressing, want.Kind+": not made yet")
	}
	return status.True(kind, v1alpha1.ReasonSucceeded, "made: "+want.Kind)
}

// monitoringConfigured is nil where nothing is asked for that a cluster may lack.
func monitoringConfigured(s Snapshot) *metav1.Condition {
	const kind = v1alpha1.ConditionMonitoringConfigured
	var asked, unknown, missing []string
	for _, part := range []struct {
		kind  schema.GroupVersionKind
		asked bool
	}{
		{build.ServiceMonitorKind, s.Service.Spec.Monitoring.ServiceMonitor != nil},
		{build.PrometheusRuleKind, s.Service.Spec.Monitoring.Alerts != nil},
	} {
		if !part.asked {
			continue
		}
		asked = append(asked, part.kind.Kind)
		if !s.Served[part.kind] {
			unknown = append(unknown, part.kind.Kind)
		} else if _, exists := s.Objects[Key{part.kind, s.Service.Name}]; !exists {
			missing = append(missing, part.kind.Kind)
		}
	}
	switch {
	case len(asked) == 0:
		return nil
	case len(unknown) > 0:
		return status.False(kind, v1alpha1.ReasonCRDNotInstalled, fmt.Sprintf(
			"the cluster does not know %s (monitoring.coreos.com/v1): made once the CRD is installed", strings.Join(unknown, " and ")))
	case len(missing) > 0:
		return status.Unknown(kind, v1alpha1.ReasonProgressing, strings.Join(missing, " and ")+": not made yet")
	default:
		return status.True(kind, v1alpha1.ReasonSucceeded, "made: "+strings.Join(asked, " and "))
	}
}
