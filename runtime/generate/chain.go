package generate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ragops.dev/ragservice/runtime/upstream"
)

// provider asks one model once.
type provider interface {
	// complete is [Generator.Generate] without retries. An error that is neither
	// an [upstream.Error] nor ctx's counts as an answer that cannot be understood.
	// It must not change the prompt.
	complete(ctx context.Context, p *prompt, emit func(string) error) (*Completion, error)
	// identity names provider, server and model.
	identity() string
}

// connector is a provider whose server can be connected to ahead of the first
// question.
type connector interface {
	connect(ctx context.Context) error
}

// chain asks providers in order until one answers.
type chain struct {
	settings settings
	// timeout of one generation, retries and fallbacks included.
	timeout time.Duration
	links   []link
}

// link is a provider in a chain.
type link struct {
	provider provider
	// upstream is nil where no other server is asked.
	upstream *upstream.Upstream
}

var _ Generator = (*chain)(nil)

// Identity implements [Generator].
func (c *chain) Identity() string {
	var b strings.Builder
	for _, l := range c.links {
		fmt.Fprintf(&b, "%s;", l.provider.identity())
	}
	temperature := "default"
	if t := c.settings.temperature; t != nil {
		temperature = fmt.Sprint(*t)
	}
	fmt.Fprintf(&b, "prompt=%d/%x;tokens=%d;temperature=%s",
		promptVersion, sha256.Sum256([]byte(c.settings.systemPrompt)), c.settings.maxTokens, temperature)
	return b.String()
}

// Connect opens a connection to each provider's server, fallbacks included. An
// error says which could not be reached; the first question finds out for itself.
func (c *chain) Connect(ctx context.Context) error {
	errs := make([]error, len(c.links))
	var wait sync.WaitGroup
	for i, l := range c.links {
		if p, ok := l.provider.(connector); ok {
			wait.Go(func() { errs[i] = p.connect(ctx) })
		}
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Generate implements [Generator]. A provider that has others behind it gets an
// equal share of the time left to give its first piece, or its whole answer where
// nothing is emitted; once it speaks it may use up the time. Where all fail, the
// errors of all are joined, the first provider's first.
func (c *chain) Generate(ctx context.Context, request Request, emit func(delta string) error) (Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var errs []error
	for i, l := range c.links {
		completion, err := l.generate(ctx, ask{&c.settings, &request}, len(c.links)-i, emit)
		if err == nil {
			return *completion, nil
		}
		e, ok := errors.AsType[*upstream.Error](err)
		if !ok { // the caller went away
			return Completion{}, err
		}
		errs = append(errs, err)
		if e.Partial || ctx.Err() != nil {
			break
		}
	}
	return Completion{}, errors.Join(errs...)
}

// ask makes the prompt anew for each attempt: a question that waits for its answer holds
// what it has sent, and not once more what that was made of.
type ask struct {
	settings *settings
	request  *Request
}

func (a ask) prompt() *prompt { return a.settings.prompt(a.request) }

// generate asks one provider, with retries. It is the first of that many which
// share the time left.
func (l link) generate(ctx context.Context, a ask, sharers int, emit func(string) error) (*Completion, error) {
	if l.upstream == nil {
		return l.provider.complete(ctx, a.prompt(), emit)
	}
	out := &output{emit: emit}
	share := ctx
	if sharers > 1 {
		deadline, _ := ctx.Deadline() // of the chain's timeout
		var cancel context.CancelFunc
		share, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(sharers))
		defer cancel()
	}
	completion, err := upstream.Do(share, l.upstream, func(context.Context) (*Completion, error) {
		return l.attempt(ctx, share, a, out)
	})
	switch {
	case out.err != nil:
		return nil, out.err
	case err != nil:
		return nil, err
	}
	completion.Upstream = l.upstream.Name()
	return completion, nil
}

// attempt asks once, until share ends or, once a piece came, until ctx ends.
func (l link) attempt(ctx, share context.Context, a ask, out *output) (*Completion, error) {
	attempt := ctx
	if share != ctx {
		var cancel context.CancelFunc
		attempt, cancel = context.WithCancel(ctx)
		defer cancel()
		out.spoke = context.AfterFunc(share, cancel)
		defer out.spoke()
	}
	completion, err := l.provider.complete(attempt, a.prompt(), out.pieces())
	switch known, ok := errors.AsType[*upstream.Error](err); {
	case err == nil && completion.Text == "" && completion.FinishReason == FinishStop:
		return nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Err: errors.New("the answer is empty")}
	case err == nil:
		return completion, nil
	case out.err != nil || errors.Is(ctx.Err(), context.Canceled):
		return nil, context.Canceled
	case attempt.Err() != nil:
		return nil, &upstream.Error{Kind: upstream.KindTimeout, Partial: out.started, Err: errors.New("no whole answer in time")}
	case ok:
		partial := *known
		partial.Partial = out.started
		return nil, &partial
	default:
		return nil, &upstream.Error{Kind: upstream.KindInvalidResponse, Partial: out.started, Err: err}
	}
}

// output hands pieces on and remembers that it did.
type output struct {
	emit    func(string) error
	started bool
	err     error // what emit returned
	// spoke lifts the bound on the first piece; nil where it has as long as the whole.
	spoke func() bool
}

// pieces returns what a provider is to call with each piece; nil where nobody
// listens.
func (o *output) pieces() func(string) error {
	if o.emit == nil {
		return nil
	}
	return func(piece string) error {
		if piece == "" {
			return nil
		}
		o.started = true
		if o.spoke != nil {
			o.spoke()
		}
		o.err = o.emit(piece)
		return o.err
	}
}
