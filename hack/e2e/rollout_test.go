package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// loadFor is how long the caller queries, which must cover the whole rollout.
const loadFor = 75 * time.Second

// sampleRolls edits the spec while a pod asks the service by its name, as its
// clients do, and wants every query answered.
func sampleRolls(t *testing.T) {
	job := startCaller(t, "http://"+sampleName+":8080/query")
	service, err := get(t.Context(), sampleNamespace, sampleName)
	if err != nil {
		t.Fatal(err)
	}
	before := deploymentOf(t)
	edited := service.DeepCopy()
	edited.Spec.Cache.LegacyKeys = true
	edited.Spec.VectorStore.TopK = 3
	if err := cluster.client.Patch(t.Context(), edited, client.MergeFrom(service)); err != nil {
		t.Fatal(err)
	}
	var rolledOut time.Time
	eventually(t, loadFor, "the edited spec is rolled out", func(ctx context.Context) error {
		now := deploymentOf(t)
		status := now.Status
		switch {
		case now.Generation == before.Generation:
			return errors.New("the Deployment has not changed")
		case status.ObservedGeneration != now.Generation || status.UpdatedReplicas < *now.Spec.Replicas || status.Replicas != status.UpdatedReplicas || status.AvailableReplicas != status.Replicas:
			return fmt.Errorf("%d of %d replicas are updated, %d available", status.UpdatedReplicas, status.Replicas, status.AvailableReplicas)
		}
		// The pods of before are still ending, and may still be asked.
		pods, err := podsOf(ctx, sampleNamespace, sampleName)
		if err != nil {
			return err
		}
		if int32(len(pods)) != status.Replicas {
			return fmt.Errorf("%d pods, want %d", len(pods), status.Replicas)
		}
		rolledOut = time.Now()
		return nil
	})
	result := waitCaller(t, job)
	if result.Failed > 0 {
		t.Errorf("%d of %d queries failed during the rollout: %s", result.Failed, result.Sent, strings.Join(result.Failures, "; "))
	}
	if result.Sent < 100 {
		t.Errorf("only %d queries were sent: that shows nothing", result.Sent)
	}
	if !result.Ended.After(rolledOut) {
		t.Errorf("the load ended at %s, before the rollout did at %s", result.Ended, rolledOut)
	}
	t.Logf("%d queries, none failed", result.Sent)
	waitReady(t, sampleNamespace, sampleName)
}

func deploymentOf(t *testing.T) *appsv1.Deployment {
	t.Helper()
	var deployment appsv1.Deployment
	if err := cluster.client.Get(t.Context(), client.ObjectKey{Namespace: sampleNamespace, Name: sampleName}, &deployment); err != nil {
		t.Fatal(err)
	}
	return &deployment
}

func podsOf(ctx context.Context, namespace, name string) ([]corev1.Pod, error) {
	var pods corev1.PodList
	err := cluster.client.List(ctx, &pods, client.InNamespace(namespace),
		client.MatchingLabels{instanceLabel: name, "app.kubernetes.io/component": "runtime"})
	return pods.Items, err
}

// report is what hack/e2e/caller prints.
type report struct {
	Sent, Failed int
	Failures     []string
	Ended        time.Time
}

// startCaller starts a pod that queries, and waits until it does.
func startCaller(t *testing.T, url string) *batchv1.Job {
	t.Helper()
	pod := restricted(sampleNamespace, "caller", "ragservice-caller:dev", "-url", url, "-rate", "20", "-for", loadFor.String())
	job := &batchv1.Job{
		ObjectMeta: pod.ObjectMeta,
		Spec:       batchv1.JobSpec{BackoffLimit: new(int32), Template: corev1.PodTemplateSpec{Spec: pod.Spec}},
	}
	if err := cluster.client.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := cluster.client.Delete(context.WithoutCancel(t.Context()), job, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
	eventually(t, time.Minute, "the caller runs", func(ctx context.Context) error {
		if err := cluster.client.Get(ctx, client.ObjectKeyFromObject(job), job); err != nil {
			return err
		}
		if job.Status.Ready == nil || *job.Status.Ready == 0 {
			return errors.New("its pod is not ready")
		}
		return nil
	})
	return job
}

func waitCaller(t *testing.T, job *batchv1.Job) report {
	t.Helper()
	eventually(t, loadFor+time.Minute, "the caller is done", func(ctx context.Context) error {
		if err := cluster.client.Get(ctx, client.ObjectKeyFromObject(job), job); err != nil {
			return err
		}
		if job.Status.Succeeded+job.Status.Failed == 0 {
			return errors.New("it still queries")
		}
		return nil
	})
	output, err := kubectl(t.Context(), "logs", "--namespace", job.Namespace, "job/"+job.Name)
	if err != nil {
		t.Fatal(err)
	}
	var result report
	if err := json.Unmarshal([]byte(output), &result); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	return result
}

// sampleSharesLegacyKeys asks after the rollout that switched legacyKeys on. The
// old service finds the answer under the name it would have used itself.
func sampleSharesLegacyKeys(t *testing.T) {
	const asked = "Can the old and the new service run at the same time?"
	mustQuery(t, sampleNamespace, sampleName, asked)
	key := "cache:" + asked
	var value string
	eventually(t, 30*time.Second, "Redis has "+key, func(ctx context.Context) error {
		var err error
		value, err = redis(ctx, sampleNamespace, sampleName, "GET", key)
		if err == nil && value == "" {
			err = errors.New("there is no such key")
		}
		return err
	})
	var fields map[string]any
	if err := json.Unmarshal([]byte(value), &fields); err != nil {
		t.Errorf("the value is no JSON: %v in %s", err, value)
	}
	output, err := redis(t.Context(), sampleNamespace, sampleName, "TTL", key)
	if err != nil {
		t.Fatal(err)
	}
	if ttl, err := strconv.Atoi(output); err != nil || ttl <= 0 || ttl > 300 {
		t.Errorf("the key lives for %q s, want 1 to 300", output)
	}
}
