package interop

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// states are those that a RAGService may be in. What Argo CD makes of each follows
// from what kstatus says: see inStep.
var states = []struct {
	name string
	// reach brings a service there.
	reach func(*subject)
	want  status.Status
	// isReady is whether kubectl wait --for=condition=Ready is content.
	isReady bool
}{
	{
		name:  "created, and no operator runs",
		reach: func(s *subject) { s.create() },
		want:  status.InProgressStatus,
	},
	{
		name: "its pods are starting",
		reach: func(s *subject) {
			s.create()
			s.operate()
			s.until(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressing)
		},
		want: status.InProgressStatus,
	},
	{
		name:    "ready",
		reach:   (*subject).ready,
		want:    status.CurrentStatus,
		isReady: true,
	},
	{
		name: "edited, and the operator has not seen it",
		reach: func(s *subject) {
			s.ready()
			s.stop()
			s.edit(func(spec *v1alpha1.RAGServiceSpec) { spec.VectorStore.TopK = 3 })
		},
		want: status.InProgressStatus,
	},
	{
		name: "edited, and rolling out",
		reach: func(s *subject) {
			s.ready()
			s.edit(func(spec *v1alpha1.RAGServiceSpec) { spec.VectorStore.TopK = 3 })
			s.until(v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonProgressing)
		},
		want: status.InProgressStatus,
	},
	{
		name: "it names a Secret that is not there",
		reach: func(s *subject) {
			s.create(func(spec *v1alpha1.RAGServiceSpec) {
				spec.Model.ModelProvider = v1alpha1.ModelProvider{OpenAI: &v1alpha1.OpenAIModel{
					Model: "m", OpenAIEndpoint: v1alpha1.OpenAIEndpoint{APIKey: &v1alpha1.SecretKey{Name: "openai", Key: "api-key"}},
				}}
			})
			s.operate()
			s.until(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonReferenceNotFound)
		},
		want: status.FailedStatus,
	},
	{
		name: "the API server refuses one of its children",
		reach: func(s *subject) {
			s.create(func(spec *v1alpha1.RAGServiceSpec) {
				spec.Workload.PodLabels = map[string]string{"team": "not a label!"}
			})
			s.operate()
			s.until(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
		},
		want: status.FailedStatus,
	},
	{
		name: "a child's name is taken",
		reach: func(s *subject) {
			foreign := &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "support"},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
			}
			if err := server.client.Create(s.Context(), foreign); err != nil {
				s.Fatal(err)
			}
			s.create()
			s.operate()
			s.until(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonNameConflict)
		},
		want: status.FailedStatus,
	},
	{
		name: "its pods do not become ready in time",
		reach: func(s *subject) {
			s.create()
			s.operate()
			s.pods(0, appsv1.DeploymentCondition{
				Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
			})
			s.until(v1alpha1.ConditionStalled, metav1.ConditionTrue, v1alpha1.ReasonPodsNotReady)
		},
		want: status.FailedStatus,
	},
	{
		name: "its pods are gone",
		reach: func(s *subject) {
			s.ready()
			s.pods(0)
			s.until(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodsNotReady)
		},
		want: status.InProgressStatus,
	},
	{
		name: "suspended while it answers",
		reach: func(s *subject) {
			s.ready()
			s.edit(suspend)
			s.until(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
		},
		want:    status.CurrentStatus,
		isReady: true,
	},
	{
		name: "suspended from the start",
		reach: func(s *subject) {
			s.create(suspend)
			s.operate()
			s.until(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonSuspended)
		},
		want: status.InProgressStatus,
	},
	{
		name: "resumed",
		reach: func(s *subject) {
			s.ready()
			s.edit(suspend)
			s.until(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
			s.edit(func(spec *v1alpha1.RAGServiceSpec) { spec.Suspend = false })
			s.until(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
		},
		want:    status.CurrentStatus,
		isReady: true,
	},
	{
		name: "being deleted",
		reach: func(s *subject) {
			s.ready()
			// In the foreground the service stays until its children are gone, for which a
			// bare API server has no garbage collector.
			if err := server.client.Delete(s.Context(), s.service(), client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
				s.Fatal(err)
			}
		},
		want: status.TerminatingStatus,
	},
}

func suspend(spec *v1alpha1.RAGServiceSpec) { spec.Suspend = true }

// TestStates brings services into every state through the operator itself, and asks
// those who judge them: kstatus, by which Flux and others wait, Argo CD's health
// check, and kubectl wait.
func TestStates(t *testing.T) {
	for _, tt := range states {
		t.Run(tt.name, func(t *testing.T) {
			s := newSubject(t)
			tt.reach(s)
			object := s.object()
			if got := inStep(t, object); got != tt.want {
				t.Errorf("kstatus says %s, want %s of\n%v", got, tt.want, object.Object["status"])
			}
			_, err := kubectl(t.Context(), "wait", "rag/support", "--namespace", s.namespace, "--for=condition=Ready", "--timeout=0s")
			if (err == nil) != tt.isReady {
				t.Errorf("kubectl wait says %v, want it content: %t", err, tt.isReady)
			}
		})
	}
}

// TestWait has kubectl wait for a service before the operator knows of it, as a
// pipeline does right after kubectl apply.
func TestWait(t *testing.T) {
	s := newSubject(t)
	s.create()
	waited := make(chan error, 1)
	go func() {
		_, err := kubectl(s.Context(), "wait", "rag/support", "--namespace", s.namespace, "--for=condition=Ready", "--timeout="+patience.String())
		waited <- err
	}()
	s.operate()
	s.until(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodsNotReady)
	select {
	case err := <-waited:
		t.Fatalf("kubectl wait returned before the service was ready: %v", err)
	default:
	}
	s.pods(2)
	select {
	case err := <-waited:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("kubectl wait did not return")
	}
}

// health is what Argo CD shall say of a service of which kstatus says this.
var health = map[status.Status]string{
	status.InProgressStatus:  "Progressing",
	status.CurrentStatus:     "Healthy",
	status.FailedStatus:      "Degraded",
	status.TerminatingStatus: "Progressing",
}

// inStep is what kstatus says of an object. It wants Argo CD to say the same, but for
// a suspended one: that alone is a word of Argo CD's own.
func inStep(t *testing.T, object *unstructured.Unstructured) status.Status {
	t.Helper()
	result, err := status.Compute(object)
	if err != nil {
		t.Fatal(err)
	}
	want := health[result.Status]
	if suspended, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend"); suspended && object.GetDeletionTimestamp() == nil {
		want = "Suspended"
	}
	got, message := argoHealth(t, object)
	if got != want {
		t.Errorf("Argo CD says %s (%s) of what is %s to kstatus, want %s", got, message, result.Status, want)
	}
	if message == "" {
		t.Errorf("Argo CD says %s and no reason", got)
	}
	return result.Status
}
