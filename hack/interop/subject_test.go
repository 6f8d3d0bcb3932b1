package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
)

// subject is one RAGService in a namespace of its own.
type subject struct {
	*testing.T
	namespace string
	stop      func()
}

func newSubject(t *testing.T) *subject {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "interop-"}}
	if err := server.client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return &subject{T: t, namespace: namespace.Name, stop: func() {}}
}

func (s *subject) key() client.ObjectKey {
	return client.ObjectKey{Namespace: s.namespace, Name: "support"}
}

// create makes the service, which needs nothing that is not there.
func (s *subject) create(changes ...func(*v1alpha1.RAGServiceSpec)) {
	s.Helper()
	service := s.service()
	service.Spec = v1alpha1.RAGServiceSpec{
		Model:       v1alpha1.Model{ModelProvider: v1alpha1.ModelProvider{Extractive: &v1alpha1.ExtractiveModel{}}},
		Embedding:   v1alpha1.Embedding{Lexical: &v1alpha1.LexicalEmbedding{}},
		VectorStore: v1alpha1.VectorStore{HTTP: &v1alpha1.HTTPStore{URL: "http://vectors:8000/query"}},
	}
	for _, change := range changes {
		change(&service.Spec)
	}
	if err := server.client.Create(s.Context(), service); err != nil {
		s.Fatal(err)
	}
}

// operate runs the operator in the namespace, until the test ends or stop is called.
func (s *subject) operate() {
	s.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.Context()))
	manager, err := controllers.NewManager(ctx, server.config, logr.Discard(), controllers.Options{
		RuntimeImage:       "ragservice/runtime:test",
		Namespace:          "ragservice-system",
		WatchNamespaces:    []string{s.namespace},
		Concurrency:        1,
		DiscoveryInterval:  time.Second,
		MeasureInterval:    time.Second,
		MetricsAddress:     "0",
		ProbeAddress:       "0",
		SkipNameValidation: true,
	})
	if err != nil {
		cancel()
		s.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	s.stop = func() {
		s.stop = func() {}
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("the operator ended with %v", err)
		}
	}
	s.Cleanup(func() { s.stop() })
}

// service names it.
func (s *subject) service() *v1alpha1.RAGService {
	return &v1alpha1.RAGService{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "support"}}
}

func (s *subject) get(ctx context.Context) (*v1alpha1.RAGService, error) {
	service := &v1alpha1.RAGService{}
	return service, server.client.Get(ctx, s.key(), service)
}

// edit changes the spec.
func (s *subject) edit(change func(*v1alpha1.RAGServiceSpec)) {
	s.Helper()
	eventually(s.T, func(ctx context.Context) error {
		service, err := s.get(ctx)
		if err != nil {
			return err
		}
		change(&service.Spec)
		return server.client.Update(ctx, service)
	})
}

// until waits for a condition of the newest generation.
func (s *subject) until(kind string, want metav1.ConditionStatus, reason string) {
	s.Helper()
	eventually(s.T, func(ctx context.Context) error {
		service, err := s.get(ctx)
		if err != nil {
			return err
		}
		c := meta.FindStatusCondition(service.Status.Conditions, kind)
		if c == nil || c.Status != want || c.Reason != reason || c.ObservedGeneration != service.Generation {
			return fmt.Errorf("want %s=%s because of %s at generation %d, and the conditions are %+v", kind, want, reason, service.Generation, service.Status.Conditions)
		}
		return nil
	})
}

// pods plays the Deployment controller, which a bare API server lacks: so many pods
// of the newest revision are there, and the Deployment has such conditions. It waits
// until the operator wants the two replicas that a service has at least, to which it
// brings a new Deployment one pass after it made it.
func (s *subject) pods(count int32, conditions ...appsv1.DeploymentCondition) {
	s.Helper()
	eventually(s.T, func(ctx context.Context) error {
		d := &appsv1.Deployment{}
		if err := server.client.Get(ctx, s.key(), d); err != nil {
			return err
		}
		if *d.Spec.Replicas < 2 {
			return fmt.Errorf("the Deployment has %d replicas, and is about to get 2", *d.Spec.Replicas)
		}
		d.Status = appsv1.DeploymentStatus{
			ObservedGeneration: d.Generation, Replicas: count, UpdatedReplicas: count, ReadyReplicas: count, AvailableReplicas: count,
			Conditions: conditions,
		}
		return server.client.Status().Update(ctx, d)
	})
}

// ready creates the service and brings it to where it answers.
func (s *subject) ready() {
	s.Helper()
	s.create()
	s.operate()
	s.pods(2)
	s.until(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonSucceeded)
}

// object is the service as everybody sees it.
func (s *subject) object() *unstructured.Unstructured {
	s.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("RAGService"))
	if err := server.client.Get(s.Context(), s.key(), object); err != nil {
		s.Fatal(err)
	}
	return object
}
