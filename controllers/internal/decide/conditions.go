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
	set.Add(scalingActive(s))
	set.Add(maxReplicasSupported(s))
	set.Add(monitoringConfigured(s))
	set.Add(exposed(s))
	set.Add(dependenciesReachable(s))
	set.Add(objectivesMet(s))

	if s.Service.Spec.Suspend {
		set.Add(suspended(runtime))
		return set.Conditions(s.Service)
	}
	if problem := stalled(s, plan); problem != nil {
		set.Add(status.False(v1alpha1.ConditionReady, problem.Reason, problem.Message))
		set.Add(status.True(v1alpha1.ConditionStalled, problem.Reason, problem.Message))
		return set.Conditions(s.Service)
	}
	reconciling := reconciling(s, plan, failure)
	set.Add(reconciling)
	set.Add(ready(s, runtime, reconciling, failure))
	return set.Conditions(s.Service)
}

// ready sums up what a query depends on. While a new generation rolls out it is
// Unknown as long as the old pods answer.
func ready(s Snapshot, runtime, reconciling *metav1.Condition, failure error) *metav1.Condition {
	switch {
	case runtime.Status != metav1.ConditionTrue:
		return status.False(v1alpha1.ConditionReady, runtime.Reason, runtime.Message)
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
	case scaledToZero(s):
		return status.True(v1alpha1.ConditionReady, runtime.Reason, runtime.Message)
	default:
		return status.True(v1alpha1.ConditionReady, v1alpha1.ReasonSucceeded, "answers at "+build.Endpoint(s.Service))
	}
}

func suspended(runtime *metav1.Condition) *metav1.Condition {
	message := "spec.suspend is set: the operator changes nothing"
	if runtime.Status != metav1.ConditionTrue {
		message += "; " + runtime.Message
	}
	return &metav1.Condition{Type: v1alpha1.ConditionReady, Status: runtime.Status, Reason: v1alpha1.ReasonSuspended, Message: message}
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
	if s.Deployment == nil {
		return nil
	}
	for _, c := range s.Deployment.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return &Problem{v1alpha1.ReasonPodsNotReady, fmt.Sprintf(
				"%s; %s", availableOf(s), "see kubectl describe pods -l "+metav1.FormatLabelSelector(&metav1.LabelSelector{
					MatchLabels: build.Selector(s.Service, build.ComponentRuntime)}))}
		}
	}
	return nil
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
		message := availableOf(s)
		failure := slices.IndexFunc(s.Deployment.Status.Conditions, func(c appsv1.DeploymentCondition) bool {
			return c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue
		})
		if failure >= 0 {
			message += ": " + s.Deployment.Status.Conditions[failure].Message
		}
		return status.False(v1alpha1.ConditionRuntimeAvailable, v1alpha1.ReasonPodsNotReady, message)
	}
}

func availableOf(s Snapshot) string {
	return fmt.Sprintf("%d of at least %d replicas are available", s.Deployment.Status.AvailableReplicas, minimum(s))
}

// rolledOut is whether all pods are of the newest revision, and none are left over. An
// autoscaler that adds and takes away pods does not undo it.
func rolledOut(s Snapshot) bool {
	d := s.Deployment
	if d == nil || !speaksOfNewest(s, build.DeploymentKind, d, d.Status.ObservedGeneration) {
		return false
	}
	if !build.Autoscaled(s.Service) && d.Spec.Replicas != nil && d.Status.Replicas > *d.Spec.Replicas {
		return false
	}
	return d.Status.UpdatedReplicas == d.Status.Replicas && (d.Status.UpdatedReplicas > 0 || scaledToZero(s))
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
