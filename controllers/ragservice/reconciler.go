// Package ragservice reconciles RAGServices: it observes the cluster, decides what
// should happen, applies it and tells the user. A pass that finds everything as it
// should be writes nothing.
package ragservice

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"ragops.dev/ragservice/api/v1alpha1"
	"ragops.dev/ragservice/controllers/internal/apply"
	"ragops.dev/ragservice/controllers/internal/decide"
	"ragops.dev/ragservice/controllers/internal/observe"
)

// conflictInterval is how often a name that somebody else has is looked at again:
// objects without the operator's labels are not watched.
const conflictInterval = 30 * time.Second

// outdatedInterval is when a pass that worked from an outdated view is repeated, at
// the latest: the newer view sets off a pass of its own.
const outdatedInterval = time.Second

// secondLook is when a pass that wrote something is repeated: by then the cache has
// shown all of it, or never will; see [apply.Written].
const secondLook = apply.Confirmed + 5*time.Second

// Reconciler brings the cluster to what a RAGService says.
type Reconciler struct {
	Client   client.Client
	Observer *observe.Observer
	Applier  *apply.Applier
	Written  *apply.Written
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	// NewPassword makes up the password of a managed Redis.
	NewPassword func() string
}

var _ reconcile.Reconciler = (*Reconciler)(nil)

// pass is what one reconcile knows so far.
type pass struct {
	service  *v1alpha1.RAGService
	snapshot *decide.Snapshot
	plan     decide.Plan
	changes  []change
}

// change is something the pass did.
type change struct {
	what   apply.Result
	object string
}

// Reconcile makes one pass over one service.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (result reconcile.Result, err error) {
	p := &pass{service: &v1alpha1.RAGService{}}
	if err := r.Client.Get(ctx, request.NamespacedName, p.service); err != nil {
		return result, client.IgnoreNotFound(err)
	}
	if p.service.DeletionTimestamp != nil {
		return result, nil // the garbage collector deletes what the service owns
	}
	defer func() {
		err = r.report(ctx, p, err)
		if apierrors.IsConflict(err) {
			result, err = reconcile.Result{RequeueAfter: outdatedInterval}, nil
		}
	}()

	err = r.steps(ctx, p)
	if errors.Is(err, apply.ErrTaken) {
		err = r.steps(ctx, p) // and now what is there is looked at
	}
	if err != nil {
		return result, err
	}
	switch {
	case p.waitsForStrangers():
		result.RequeueAfter = conflictInterval
	case len(p.changes) > 0:
		result.RequeueAfter = secondLook
	}
	return result, nil
}

// steps are all that a pass does to the cluster.
func (r *Reconciler) steps(ctx context.Context, p *pass) error {
	for _, step := range []func(context.Context, *pass) error{
		r.observe,
		r.password,
		r.decide,
		r.adopt,
		r.deleteFirst,
		r.handOver,
		r.apply,
		r.initialReplicas,
		r.delete,
	} {
		if err := step(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// waitsForStrangers is whether an object that is not watched is in the way.
func (p *pass) waitsForStrangers() bool {
	for _, problem := range p.plan.Problems {
		if problem.Reason == v1alpha1.ReasonNameConflict {
			return true
		}
	}
	return len(p.plan.Waiting) > 0
}

// report writes the status and turns what went wrong into what the queue should
// do: a call that failed is tried again, a mistake in the spec is not.
func (r *Reconciler) report(ctx context.Context, p *pass, failure error) error {
	if p.snapshot == nil {
		return failure // nothing was seen, so there is nothing to tell
	}
	r.announceChanges(p)
	if apierrors.IsConflict(failure) {
		return failure // what was seen is of the past, so there is nothing more to tell
	}
	if apierrors.IsInvalid(failure) {
		// The API server refuses a child because of something the user wrote.
		p.plan.Problems = append(p.plan.Problems, decide.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: failure.Error()})
	}
	err := r.writeStatus(ctx, p, failure)
	if failure == nil && len(p.plan.Problems) > 0 && p.plan.Problems[0].Reason == v1alpha1.ReasonInvalidSpec {
		failure = errors.New(p.plan.Problems[0].Message)
	}
	switch {
	case err != nil:
		return errors.Join(failure, err)
	case failure != nil && (len(p.plan.Problems) > 0 && p.plan.Problems[len(p.plan.Problems)-1].Reason == v1alpha1.ReasonInvalidSpec):
		return reconcile.TerminalError(failure)
	default:
		return failure
	}
}

func (r *Reconciler) writeStatus(ctx context.Context, p *pass, failure error) error {
	before := p.service.DeepCopy()
	r.fillStatus(p, failure)
	if err := r.patchStatus(ctx, before, p.service); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	r.announceConditions(before, p.service)
	return nil
}
