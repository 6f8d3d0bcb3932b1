package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/render"
)

const (
	runtimeImage = "ragservice/runtime:bench"
	// ownLabel tells the operator's objects from others; those of the bare client
	// have a value of the same length there, so that the operator does not take them
	// for its own.
	ownLabel, bareValue = "app.kubernetes.io/managed-by", "ragservice-baseline"
	// secretBytes is the size of an unrelated Secret.
	secretBytes = 10_000
)

func serviceName(i int) string { return fmt.Sprintf("service-%04d", i) }

// service has a Redis, an autoscaler, a disruption budget, network policies and a
// ServiceMonitor.
func service(namespace, name string) *v1alpha1.RAGService {
	s := &v1alpha1.RAGService{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	s.Spec.Model.Extractive = &v1alpha1.ExtractiveModel{}
	s.Spec.Embedding.Lexical = &v1alpha1.LexicalEmbedding{}
	s.Spec.VectorStore.HTTP = &v1alpha1.HTTPStore{URL: "http://vectors:8000/query"}
	s.Spec.Cache = &v1alpha1.Cache{Redis: &v1alpha1.Redis{Managed: &v1alpha1.ManagedRedis{}}}
	s.Spec.Scaling = v1alpha1.Scaling{MinReplicas: 2, MaxReplicas: 10, Targets: &v1alpha1.ScalingTargets{CPUPercent: new(int32(80))}}
	s.Spec.Monitoring.ServiceMonitor = &v1alpha1.ServiceMonitor{}
	return s
}

// childrenOf are the objects that the operator makes for a service.
func childrenOf(s *v1alpha1.RAGService) ([]*unstructured.Unstructured, error) {
	children, err := render.Children(s, render.Options{RuntimeImage: runtimeImage, OperatorNamespace: operatorNamespace})
	if err != nil {
		return nil, err
	}
	secret := &unstructured.Unstructured{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	secret.SetNamespace(s.Namespace)
	secret.SetName(s.Name + "-redis")
	secret.SetLabels(children[0].GetLabels())
	password := rand.Text()
	secret.Object["stringData"] = map[string]any{"password": password, "redis.conf": "requirepass " + password + "\n"}
	return append([]*unstructured.Unstructured{secret}, children...), nil
}

// applyBare makes the services, which no operator sees, and applies their children
// itself. It returns how long that took.
func (c *cluster) applyBare(ctx context.Context, services, concurrency int) (time.Duration, error) {
	apply := func(name string) error {
		s := service(bareNamespace, name)
		if err := c.bare.Create(ctx, s); err != nil {
			return err
		}
		children, err := childrenOf(s)
		if err != nil {
			return err
		}
		for _, child := range children {
			child.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(s, v1alpha1.SchemeGroupVersion.WithKind("RAGService"))})
			labels := child.GetLabels()
			labels[ownLabel] = bareValue
			child.SetLabels(labels)
			err := c.bare.Apply(ctx, client.ApplyConfigurationFromUnstructured(child), client.FieldOwner(bareValue), client.ForceOwnership)
			if err != nil {
				return fmt.Errorf("apply %s %s: %w", child.GetKind(), child.GetName(), err)
			}
		}
		return nil
	}
	if err := apply(warmUp); err != nil { // the first requests also learn what the API server serves
		return 0, err
	}
	begin := time.Now()
	var work errgroup.Group
	work.SetLimit(concurrency)
	for i := range services {
		work.Go(func() error { return apply(serviceName(i)) })
	}
	if err := work.Wait(); err != nil {
		return 0, err
	}
	return time.Since(begin), nil
}

// complete makes services and returns how long it took until each has all its
// children and a status of its newest generation.
func (c *cluster) complete(ctx context.Context, services, concurrency int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen, err := c.client.Watch(ctx, &v1alpha1.RAGServiceList{}, client.InNamespace(operated))
	if err != nil {
		return 0, err
	}
	defer seen.Stop()
	if _, err := c.audit.since(); err != nil { // what was before does not count
		return 0, err
	}
	begin := time.Now()
	var work errgroup.Group
	work.SetLimit(concurrency)
	created := make(chan error, 1)
	go func() {
		for i := range services {
			work.Go(func() error { return c.client.Create(ctx, service(operated, serviceName(i))) })
		}
		created <- work.Wait()
	}()
	if err := caughtUp(ctx, seen, services); err != nil {
		return 0, err
	}
	took := time.Since(begin)
	return took, errors.Join(<-created, c.check(ctx, services))
}

// caughtUp waits until so many services have a status of their newest generation,
// which the operator writes when all else is written.
func caughtUp(ctx context.Context, seen watch.Interface, services int) error {
	done := map[string]bool{}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for len(done) < services {
		select {
		case <-tick.C:
			progress("%d of %d services are complete", len(done), services)
		case <-ctx.Done():
			return fmt.Errorf("%d of %d services have a status: %w", len(done), services, ctx.Err())
		case event, ok := <-seen.ResultChan():
			if !ok {
				return errors.New("the watch of the services ended")
			}
			if s, ok := event.Object.(*v1alpha1.RAGService); ok && s.Status.ObservedGeneration == s.Generation {
				done[s.Name] = true
			}
		}
	}
	return nil
}

// check says which children are missing, or too many.
func (c *cluster) check(ctx context.Context, services int) error {
	want := map[string]bool{}
	kinds := map[schema.GroupVersionKind]bool{}
	list := &v1alpha1.RAGServiceList{}
	if err := c.client.List(ctx, list, client.InNamespace(operated)); err != nil {
		return err
	}
	for i := range list.Items {
		children, err := childrenOf(&list.Items[i])
		if err != nil {
			return err
		}
		c.children = len(children)
		for _, child := range children {
			want[child.GetKind()+"/"+child.GetName()] = true
			kinds[child.GroupVersionKind()] = true
		}
	}
	if len(list.Items) != services {
		return fmt.Errorf("there are %d services, want %d", len(list.Items), services)
	}
	var wrong []string
	for kind := range kinds {
		objects := &metav1.PartialObjectMetadataList{}
		objects.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := c.client.List(ctx, objects, client.InNamespace(operated), client.HasLabels{ownLabel}); err != nil {
			return err
		}
		for _, o := range objects.Items {
			name := kind.Kind + "/" + o.Name
			if !want[name] {
				wrong = append(wrong, name+" is too many")
			}
			delete(want, name)
		}
	}
	for name := range want {
		wrong = append(wrong, name+" is missing")
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%d children are not as they should be, such as: %s", len(wrong), wrong[0])
	}
	return nil
}

// touch gives every service a new resource version and no other spec, so that the
// operator looks at each of them again.
func (c *cluster) touch(ctx context.Context, services int) error {
	var work errgroup.Group
	work.SetLimit(8)
	for i := range services {
		work.Go(func() error {
			patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"example.com/looked":"again"}}}`))
			return c.client.Patch(ctx, &v1alpha1.RAGService{ObjectMeta: metav1.ObjectMeta{Namespace: operated, Name: serviceName(i)}}, patch)
		})
	}
	return work.Wait()
}

// unrelated makes Secrets that no service names.
func (c *cluster) unrelated(ctx context.Context, n int) error {
	var work errgroup.Group
	work.SetLimit(8)
	for i := range n {
		work.Go(func() error {
			data := make([]byte, secretBytes)
			if _, err := rand.Read(data); err != nil {
				return err
			}
			return c.client.Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: unrelatedSpace, Name: fmt.Sprintf("secret-%05d", i)},
				Data:       map[string][]byte{"data": data},
			})
		})
	}
	return work.Wait()
}
