package controllers_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers"
	"ragops.dev/ragservice/controllers/internal/testkit"
)

var seed = flag.Uint64("seed", 0, "seed of the churn that TestKilledWhileServicesChurn makes; 0 takes another one each time")

// TestKilledWhileServicesChurn creates, edits and deletes services without a pause
// while the operator is killed again and again: every third time it is a process that
// gets SIGKILL at any moment, the other times one that dies with a write whose answer
// it does not see. The operator after that brings each service that is left to
// exactly the children that it should have, and leaves nothing of those that are not.
func TestKilledWhileServicesChurn(t *testing.T) {
	const (
		services, churners, lives = 50, 5, 15
		// most bounds the churn on a slow machine.
		most = 30 * time.Second
	)
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("to have the same again: -run %s -seed %d", t.Name(), from)
	namespace := env.Namespace(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	repeat := func(pause time.Duration, what string, do func() error) {
		work.Go(func() {
			ticker := time.NewTicker(pause)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
				if err := do(); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	var churned [churners]churn
	for i := range churners {
		c := &churned[i]
		c.random, c.namespace, c.first, c.step, c.services = rand.New(rand.NewPCG(from, uint64(i))), namespace, i, churners, services
		repeat(20*time.Millisecond, "churn", func() error { return c.once(ctx) })
	}
	repeat(300*time.Millisecond, "collect garbage", func() error { return env.CollectGarbage(ctx, namespace) })

	random := rand.New(rand.NewPCG(from, churners))
	quick := func(o *controllers.Options) { o.Concurrency = 8 }
	killed, processes := 0, 0
	for begin := time.Now(); killed < lives && time.Since(begin) < most; {
		if killed%3 == 2 {
			process := env.OperateProcess(t, namespace, quick)
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond) // the moment is to be any
			process.Kill()
			killed, processes = killed+1, processes+1
			continue
		}
		operator := env.Operate(t, namespace, quick)
		select {
		case <-operator.Requests.DieAt(1 + random.IntN(200)):
			killed++
		case <-time.After(5 * time.Second): // there was not so much to write
		}
		operator.Kill()
	}
	stop()
	work.Wait()
	if killed < lives/5 || processes == 0 {
		t.Errorf("the operator was killed %d times only, %d of them as a process: the churn is too slow", killed, processes)
	}

	operator := env.Operate(t, namespace, nil)
	testkit.Eventually(t, func(ctx context.Context) error {
		return errors.Join(env.CollectGarbage(ctx, namespace), converged(ctx, namespace))
	})
	settle(t, operator)
	if err := converged(t.Context(), namespace); err != nil {
		t.Errorf("it did not stay: %v", err)
	}
	var created, edited, deleted int
	for i := range churned {
		created, edited, deleted = created+churned[i].created, edited+churned[i].edited, deleted+churned[i].deleted
	}
	t.Logf("%d services were created, %d edited, %d deleted; the operator was killed %d times, %d of them as a process", created, edited, deleted, killed, processes)
	if created < services || edited < services || deleted < services/5 {
		t.Error("that is too little to show anything")
	}

	// A new one finds nothing to do.
	operator.Stop()
	next := env.Operate(t, namespace, nil)
	settle(t, next)
	if writes := next.Requests.Writes(); len(writes) > 0 {
		t.Errorf("the next operator wrote %v, want nothing", writes)
	}
}

// churn changes every so manyth service, from the first one of its own on.
type churn struct {
	random                   *rand.Rand
	namespace                string
	first, step, services    int
	created, edited, deleted int
}

// once creates a service that is not there, and edits or deletes one that is.
func (c *churn) once(ctx context.Context) error {
	number := c.first + c.step*c.random.IntN(c.services/c.step)
	service := testkit.Service(c.namespace, fmt.Sprintf("churn-%02d", number))
	key := client.ObjectKeyFromObject(service)
	err := env.Client.Get(ctx, key, service)
	switch {
	case apierrors.IsNotFound(err):
		c.edit(&service.Spec)
		c.created++
		return env.Client.Create(ctx, service)
	case err != nil:
		return err
	case c.random.IntN(5) == 0:
		c.deleted++
		return env.Client.Delete(ctx, service)
	default:
		c.edit(&service.Spec)
		c.edited++
		err := env.Client.Update(ctx, service)
		if apierrors.IsConflict(err) {
			return nil // with a status of the operator's
		}
		return err
	}
}

// edit changes some of what makes children come, change and go.
func (c *churn) edit(s *v1alpha1.RAGServiceSpec) {
	toss := func() bool { return c.random.IntN(2) == 0 }
	s.VectorStore.TopK = 1 + c.random.Int32N(20) // another configuration
	s.Cache = nil
	if toss() {
		s.Cache = &v1alpha1.Cache{Redis: &v1alpha1.Redis{Managed: &v1alpha1.ManagedRedis{}}}
	}
	s.Scaling = v1alpha1.Scaling{MinReplicas: 2, MaxReplicas: 2}
	if toss() {
		s.Scaling = v1alpha1.Scaling{MinReplicas: 1 + c.random.Int32N(3), MaxReplicas: 5}
	}
	s.Exposure = nil
	if toss() {
		s.Exposure = &v1alpha1.Exposure{Hosts: []string{"support.example.com"}, Ingress: &v1alpha1.IngressExposure{ClassName: "nginx"}}
	}
	s.Workload.NetworkPolicy = v1alpha1.NetworkPolicyNone
	if toss() {
		s.Workload.NetworkPolicy = v1alpha1.NetworkPolicyIngress
	}
}

// converged says what is missing of any service, and what is there of none.
func converged(ctx context.Context, namespace string) error {
	services := &v1alpha1.RAGServiceList{}
	if err := env.Client.List(ctx, services, client.InNamespace(namespace)); err != nil {
		return err
	}
	for i := range services.Items {
		s := &services.Items[i]
		if s.Status.ObservedGeneration != s.Generation {
			return fmt.Errorf("generation %d of %s is not looked at yet", s.Generation, s.Name)
		}
		if err := complete(ctx, s); err != nil {
			return err
		}
	}
	owned, err := env.Owned(ctx, namespace)
	if err != nil {
		return err
	}
	for _, o := range owned {
		if !slices.ContainsFunc(services.Items, func(s v1alpha1.RAGService) bool { return s.UID == o.Owner }) {
			return fmt.Errorf("%s belongs to no service", o)
		}
	}
	return nil
}
