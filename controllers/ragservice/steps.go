package ragservice

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/build"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/observe"
)

const deleted apply.Result = "deleted"

func (r *Reconciler) observe(ctx context.Context, p *pass) (err error) {
	p.snapshot, err = r.Observer.Observe(ctx, p.service)
	return err
}

// password creates the Secret of a managed Redis that has none. It is a step of
// its own because the Redis has to be built with what it says.
func (r *Reconciler) password(ctx context.Context, p *pass) error {
	if !decide.NeedsRedisPassword(*p.snapshot) {
		return nil
	}
	secret := build.RedisSecret(p.service, r.NewPassword())
	key := decide.Key{Kind: build.SecretKind, Name: secret.Name}
	err := r.Client.Create(ctx, secret, client.FieldOwner(build.FieldOwner))
	if apierrors.IsAlreadyExists(err) {
		r.Written.NoteTaken(key, p.service.Namespace)
		err = errors.Join(apply.ErrTaken, err)
	}
	if err != nil {
		return fmt.Errorf("create Secret/%s: %w", secret.Name, err)
	}
	r.Written.NoteCreated(key, secret)
	p.snapshot.RedisPassword = r.Observer.References.Created(secret)
	p.did(apply.Created, "Secret/"+secret.Name)
	return nil
}

func (r *Reconciler) decide(_ context.Context, p *pass) error {
	p.plan = decide.Decide(*p.snapshot)
	return nil
}

func (r *Reconciler) adopt(ctx context.Context, p *pass) error {
	for _, child := range p.plan.Adopt {
		object := p.snapshot.Objects[decide.Key{Kind: child.Kind, Name: child.Name}]
		if err := r.Applier.Adopt(ctx, p.service.Namespace, child, object.UID); err != nil {
			return err
		}
		p.did(apply.Updated, child.String())
	}
	return nil
}

func (r *Reconciler) deleteFirst(ctx context.Context, p *pass) error {
	return r.deleteAll(ctx, p, p.plan.DeleteFirst)
}

func (r *Reconciler) delete(ctx context.Context, p *pass) error {
	return r.deleteAll(ctx, p, p.plan.Delete)
}

func (r *Reconciler) deleteAll(ctx context.Context, p *pass, keys []decide.Key) error {
	var errs []error
	for _, key := range keys {
		if err := r.Applier.Delete(ctx, p.service.Namespace, key, p.snapshot.Objects[key].UID); err != nil {
			errs = append(errs, err)
			continue
		}
		p.did(deleted, key.Kind.Kind+"/"+key.Name)
	}
	return errors.Join(errs...)
}

func (r *Reconciler) handOver(ctx context.Context, p *pass) error {
	for _, deployment := range p.plan.HandOver {
		if err := r.Applier.HandOver(ctx, deployment); err != nil {
			return err
		}
	}
	return nil
}

// apply goes on after a child that fails, since the others may well work.
func (r *Reconciler) apply(ctx context.Context, p *pass) error {
	var errs []error
	for _, child := range p.plan.Apply {
		errs = append(errs, r.applyChild(ctx, p, child))
	}
	return errors.Join(errs...)
}

func (r *Reconciler) applyChild(ctx context.Context, p *pass, child build.Child) error {
	key := decide.Key{Kind: child.Kind, Name: child.Name}
	object, exists := p.snapshot.Objects[key]
	applied, err := r.Applier.Apply(ctx, p.service.Namespace, child, object, exists)
	if err != nil {
		return err
	}
	if applied.Result != apply.Unchanged {
		p.did(applied.Result, child.String())
	}
	if applied.Returned == nil {
		return nil
	}
	observe.Applied(p.snapshot, key, applied.Known, applied.Returned)
	if applied.Result == apply.Created && child.Kind == build.DeploymentKind {
		p.plan.Made(*p.snapshot, child.Name)
	}
	return nil
}

// initialReplicas comes after the autoscaler is there, which may be quicker.
func (r *Reconciler) initialReplicas(ctx context.Context, p *pass) error {
	for _, initial := range p.plan.InitialReplicas {
		if err := r.Applier.Scale(ctx, initial.Deployment, initial.Number); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) did(what apply.Result, object string) {
	p.changes = append(p.changes, change{what, object})
}
