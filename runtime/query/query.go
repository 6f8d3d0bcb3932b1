// Package query answers questions: it looks for an answer in the cache's tiers
// and, where there is none, finds passages, asks the model and keeps the answer.
// Equal questions in flight share one piece of work.
//
// The package decides the order of things and what a failure of each part means.
// How a cache, a store or a model is spoken to is the business of their packages,
// and how a request comes in and an answer goes out is that of package server: no
// HTTP here.
package query

import (
	"fmt"
	"time"

	"ragops.dev/ragservice/runtime/cache"
	"ragops.dev/ragservice/runtime/generate"
	"ragops.dev/ragservice/runtime/retrieve"
)

// Request is one question with all that its answer depends on. It must not be
// changed once it was handed to a [Service]: work on it may outlive its caller.
type Request struct {
	// Question to answer.
	Question string
	// History is the conversation so far, oldest first, without the question.
	History []generate.Message
	// Tenant and User are who asks, as far as it is known.
	Tenant, User string
	// TopK passages at most; 0 takes the configured number.
	TopK int
	// Filter on the passages' metadata; nil takes all.
	Filter *retrieve.Filter
	// SystemPrompt is added to the configured one.
	SystemPrompt string
	// MaxOutputTokens lowers the configured bound where it is greater than 0.
	MaxOutputTokens int
	// Temperature replaces the configured one where it is not nil.
	Temperature *float64
	// Cache says how the cache takes part.
	Cache CacheOptions
	// Representation writes the response's body.
	Representation Representation
	// Legacy is true for a request that the service replaced could have been sent:
	// a question and nothing else. Such answers may share its keys in Redis.
	Legacy bool
	// Arrived is when the time that the query may take began to run; zero is the call
	// of Service.Answer.
	Arrived time.Time

	key cache.Key // set by Service.Prepare
}

// CacheMode says whether the cache is read and written.
type CacheMode string

// The modes; the empty one is CacheDefault.
const (
	// CacheDefault reads and writes.
	CacheDefault CacheMode = "default"
	// CacheBypass neither reads nor writes.
	CacheBypass CacheMode = "bypass"
	// CacheRefresh makes the answer anew and keeps it.
	CacheRefresh CacheMode = "refresh"
)

// CacheOptions are a caller's wishes about the cache. Curated answers (FAQ) are
// given regardless.
type CacheOptions struct {
	Mode CacheMode
	// SemanticThreshold raises the configured one where it is greater; it never
	// lowers it.
	SemanticThreshold float64
	// MaxAge refuses cached answers that are older; 0 takes any.
	MaxAge time.Duration
}

func (o CacheOptions) reads() bool  { return o.Mode == CacheDefault || o.Mode == "" }
func (o CacheOptions) writes() bool { return o.Mode != CacheBypass }

// Representation writes an answer as the body of a response.
type Representation interface {
	// Name is part of the cache's key: bodies of one name are interchangeable.
	Name() string
	// Render writes the whole body.
	Render(answer *Answer) ([]byte, error)
	// Rebind returns a body that was made for a question of the same meaning, as
	// if it had been made for this one. It must not change its argument.
	Rebind(body []byte, question string) ([]byte, error)
}

// UserContextState says whether an answer was made with what is known about its
// user.
type UserContextState string

// The states.
const (
	// UserContextNone: no user, no look-up configured, or nothing known.
	UserContextNone UserContextState = "none"
	// UserContextApplied: the model was told.
	UserContextApplied UserContextState = "applied"
	// UserContextFailed: the look-up failed, and the answer was made without.
	UserContextFailed UserContextState = "failed"
)

// Answer is what a representation renders.
type Answer struct {
	Question string
	Text     string
	// Passages the answer was made from, best first; none for a curated answer.
	Passages []retrieve.Passage
	// Model that answered; empty for a curated answer.
	Model        string
	FinishReason generate.FinishReason
	Usage        generate.Usage
	UserContext  UserContextState
	Created      time.Time
}

// Result is an answered request.
type Result struct {
	// Body is the finished body. It is shared with the cache: nobody may change it.
	Body []byte
	// Tier that the answer came from.
	Tier cache.Tier
	// Age of the answer; 0 for one made now.
	Age time.Duration
	// Answer is nil where the body came from a cache.
	Answer *Answer
}

// Part is a part of the pipeline that can fail.
type Part string

// The parts.
const (
	PartEmbedding   Part = "embedding"
	PartVectorStore Part = "vector_store"
	PartModel       Part = "model"
	// PartRuntime is the runtime itself: a bug.
	PartRuntime Part = "runtime"
)

// Error says which part failed. It wraps an
// [ragops.dev/ragservice/runtime/upstream.Error] where another server is at fault,
// and [context.DeadlineExceeded] where time ran out.
type Error struct {
	Part Part
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Part, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
