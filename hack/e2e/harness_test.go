package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
)

// instanceLabel is on every child, with the name of its RAGService.
const instanceLabel = "app.kubernetes.io/instance"

// eventually asks until the answer is yes, and fails the test with the last
// answer where it does not come in time.
func eventually(t *testing.T, within time.Duration, what string, ready func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	begin := time.Now()
	var last error
	for {
		err := ready(ctx)
		if err == nil {
			t.Logf("%s after %s", what, time.Since(begin).Round(100*time.Millisecond))
			return
		}
		if ctx.Err() == nil {
			// At the end of time an answer is only that the time is over.
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s: %v", within, what, last)
		case <-ticker.C:
		}
	}
}

// newNamespace makes a namespace that lets in only pods of the restricted level,
// and deletes it after the test.
func newNamespace(t *testing.T, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   name,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	deleteNamespace(t, name)
	if err := cluster.client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.client.Delete(context.WithoutCancel(t.Context()), namespace); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}

// deleteNamespace removes what an interrupted run left.
func deleteNamespace(t *testing.T, name string) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	eventually(t, 2*time.Minute, "no namespace "+name, func(ctx context.Context) error {
		err := cluster.client.Delete(ctx, namespace)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("still there"), err)
	})
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := cluster.client.Create(t.Context(), object); err != nil {
		t.Fatalf("create %T %s: %v", object, object.GetName(), err)
	}
}

// hasCondition returns nil where the condition is as wanted and was decided on
// the present spec.
func hasCondition(service *v1alpha1.RAGService, conditionType string, status metav1.ConditionStatus, reason string) error {
	condition := meta.FindStatusCondition(service.Status.Conditions, conditionType)
	switch {
	case condition == nil:
		return fmt.Errorf("there is no condition %s", conditionType)
	case condition.ObservedGeneration != service.Generation:
		return fmt.Errorf("%s is of generation %d, the spec of %d", conditionType, condition.ObservedGeneration, service.Generation)
	case condition.Status != status || reason != "" && condition.Reason != reason:
		return fmt.Errorf("%s is %s (%s: %s), want %s %s", conditionType, condition.Status, condition.Reason, condition.Message, status, reason)
	}
	return nil
}

func get(ctx context.Context, namespace, name string) (*v1alpha1.RAGService, error) {
	var service v1alpha1.RAGService
	err := cluster.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &service)
	return &service, err
}

func waitReady(t *testing.T, namespace, name string) {
	t.Helper()
	eventually(t, 3*time.Minute, name+" is Ready", func(ctx context.Context) error {
		service, err := get(ctx, namespace, name)
		if err != nil {
			return err
		}
		return hasCondition(service, v1alpha1.ConditionReady, metav1.ConditionTrue, "")
	})
}

// answered is the response to a query.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// query posts a body to the service, by way of the API server, which reaches pods
// wherever the cluster runs.
func query(ctx context.Context, namespace, name string, body any) (*answered, error) {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("%s/api/v1/namespaces/%s/services/http:%s:8080/proxy/query", cluster.config.Host, namespace, name)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := cluster.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return &answered{status: response.StatusCode, header: response.Header, body: content}, err
}

func mustQuery(t *testing.T, namespace, name, question string) *answered {
	t.Helper()
	response, err := query(t.Context(), namespace, name, map[string]string{"query": question})
	if err != nil {
		t.Fatal(err)
	}
	if response.status != http.StatusOK {
		t.Fatalf("%q got status %d: %s", question, response.status, response.body)
	}
	return response
}

// redis runs redis-cli in the managed Redis of a service.
func redis(ctx context.Context, namespace, name string, args ...string) (string, error) {
	var secret corev1.Secret
	if err := cluster.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name + "-redis"}, &secret); err != nil {
		return "", err
	}
	command := []string{"exec", "--namespace", namespace, name + "-redis-0", "--",
		"redis-cli", "--no-auth-warning", "-a", string(secret.Data["password"])}
	output, err := kubectl(ctx, append(command, args...)...)
	if err != nil {
		// The error holds the command, and so the password.
		return "", fmt.Errorf("redis-cli %s: %s", strings.Join(args, " "), strings.TrimSpace(output))
	}
	return strings.TrimSpace(output), nil
}
