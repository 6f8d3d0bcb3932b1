package ragservice

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/status"
)

// fillStatus says what the pass saw and did.
func (r *Reconciler) fillStatus(p *pass, failure error) {
	s := &p.service.Status
	conditions := decide.Conditions(*p.snapshot, p.plan, failure)
	status.Stamp(conditions, metav1.NewTime(r.Clock.Now()).Rfc3339Copy())
	s.Conditions = conditions
	s.ObservedGeneration = p.service.Generation
	s.Model = decide.ModelName(p.service.Spec.Model.ModelProvider)
	s.Endpoint = build.Endpoint(p.service)
	s.Selector = metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: build.Selector(p.service, build.ComponentRuntime)})
	s.Objectives = decide.Objectives(*p.snapshot)
	s.Load = decide.Load(*p.snapshot)
	s.AppliedConfigHash = ""
	if m := p.snapshot.Measured; m != nil {
		s.AppliedConfigHash = m.ConfigHash
	}
	s.Replicas, s.ReadyReplicas = 0, 0
	if d := p.snapshot.Deployment; d != nil {
		s.Replicas, s.ReadyReplicas = d.Status.Replicas, d.Status.ReadyReplicas
		s.ConfigHash = d.Spec.Template.Labels[build.LabelConfig]
		s.RuntimeVersion = decide.RunningImage(d)
	}
}

// patchStatus writes what differs. One from an outdated view is refused by the API
// server as a conflict.
func (r *Reconciler) patchStatus(ctx context.Context, before, after *v1alpha1.RAGService) error {
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return client.IgnoreNotFound(r.Client.Status().Patch(ctx, after, patch, client.FieldOwner(build.FieldOwner)))
}

// announceChanges tells what was done, as an event.
func (r *Reconciler) announceChanges(p *pass) {
	if len(p.changes) > 0 {
		r.Recorder.Eventf(p.service, nil, corev1.EventTypeNormal, "Applied", "Apply", "%s", summary(p.changes))
	}
}

// announceConditions tells what the status turned to, once, as events.
func (r *Reconciler) announceConditions(before, after *v1alpha1.RAGService) {
	if stalled := turned(before, after, v1alpha1.ConditionStalled, metav1.ConditionTrue); stalled != nil {
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, stalled.Reason, "Reconcile", "%s", shorten(stalled.Message))
	}
	if ready := turned(before, after, v1alpha1.ConditionReady, metav1.ConditionTrue); ready != nil {
		r.Recorder.Eventf(after, nil, corev1.EventTypeNormal, "Ready", "Reconcile", "%s", shorten(ready.Message))
	}
	unready := turned(before, after, v1alpha1.ConditionReady, metav1.ConditionFalse)
	if unready != nil && meta.IsStatusConditionTrue(before.Status.Conditions, v1alpha1.ConditionReady) {
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, "NotReady", "Reconcile", "%s", shorten(unready.Message))
	}
}

// turned is the condition, if it has the status now and had another before.
func turned(before, after *v1alpha1.RAGService, kind string, to metav1.ConditionStatus) *metav1.Condition {
	was := meta.FindStatusCondition(before.Status.Conditions, kind)
	is := meta.FindStatusCondition(after.Status.Conditions, kind)
	if is == nil || is.Status != to || was != nil && was.Status == to && was.Reason == is.Reason {
		return nil
	}
	return is
}

// summary names what was done, such as "created Service/a, Deployment/a; deleted
// ConfigMap/b".
func summary(changes []change) string {
	var parts []string
	last := -1
	for i, c := range changes {
		if last >= 0 && changes[i-1].what == c.what {
			parts[last] += ", " + c.object
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s", c.what, c.object))
		last = len(parts) - 1
	}
	return shorten(strings.Join(parts, "; "))
}

// shorten keeps a note within the 1024 bytes of an event.
func shorten(note string) string {
	const most = 1000
	if len(note) > most {
		return note[:most] + "..."
	}
	return note
}
