package embed

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// gate is an embedder whose calls wait to be let through.
type gate struct {
	calls   chan []string
	through chan error
	ended   chan error // why the context of a call ended, if it did
}

func newGate() *gate {
	return &gate{calls: make(chan []string, 9), through: make(chan error), ended: make(chan error, 9)}
}

func (g *gate) Identity() string { return "gate" }

func (g *gate) Embed(ctx context.Context, texts []string) ([][]float32, error) {
	g.calls <- texts
	select {
	case err := <-g.through:
		return vectorsOf(texts, 2), err
	case <-ctx.Done():
		g.ended <- ctx.Err()
		return nil, ctx.Err()
	}
}

// result of an Embed in a goroutine.
type result struct {
	vectors [][]float32
	err     error
}

func ask(ctx context.Context, e Embedder, text string) <-chan result {
	done := make(chan result, 1)
	go func() {
		vectors, err := e.Embed(ctx, []string{text})
		done <- result{vectors, err}
	}()
	return done
}

func TestCachedKeeps(t *testing.T) {
	f := newFake(t, teiAPI, answers(3))
	e := Cached(f.embedder(t, 0), 9)
	for range 3 {
		vectors, err := e.Embed(t.Context(), []string{"four"})
		if err != nil || vectors[0][0] != 4 {
			t.Fatalf("got %v, %v, want 4", vectors, err)
		}
		vectors[0][0] = 99 // the vector is the caller's
	}
	if _, err := e.Embed(t.Context(), []string{"four", "five"}); err != nil {
		t.Fatal(err)
	}
	if n := f.calls(); n != 2 {
		t.Errorf("%d calls, want 2: one for the question, one for the two documents", n)
	}
}

func TestCachedCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := Cached(g, 9)
		first, leave := context.WithCancel(t.Context())
		one := ask(first, e, "question")
		synctest.Wait()
		two := ask(t.Context(), e, "question")
		synctest.Wait()
		if len(g.calls) != 1 {
			t.Fatalf("%d calls, want one for both", len(g.calls))
		}
		leave()
		synctest.Wait()
		g.through <- nil
		if r := <-one; !errors.Is(r.err, context.Canceled) {
			t.Errorf("who left got %v, want context.Canceled", r.err)
		}
		if r := <-two; r.err != nil || r.vectors[0][0] != 8 {
			t.Errorf("who stayed got %v, %v, want the vector", r.vectors, r.err)
		}
	})
}

func TestCachedCancelsForTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := Cached(g, 9)
		ctx, leave := context.WithCancel(t.Context())
		one, two := ask(ctx, e, "question"), ask(ctx, e, "question")
		synctest.Wait()
		leave()
		<-one
		<-two
		if err := <-g.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v, want context.Canceled", err)
		}
		next := ask(t.Context(), e, "question") // is not told of the others' leaving
		g.through <- nil
		if r := <-next; r.err != nil {
			t.Errorf("the next caller got %v", r.err)
		}
	})
}

func TestCachedKeepsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		e := Cached(g, 9)
		failed := errors.New("failed")
		for _, want := range []error{failed, nil} {
			done := ask(t.Context(), e, "question")
			g.through <- want
			if r := <-done; !errors.Is(r.err, want) {
				t.Errorf("got %v, want %v", r.err, want)
			}
		}
	})
}

func TestCachedLeavesLexicalAlone(t *testing.T) {
	if e := Cached(NewLexical(8), 9); e != NewLexical(8) {
		t.Errorf("got %T, want the embedder itself", e)
	}
}

// panics is an embedder with a bug.
type panics struct{ Embedder }

// Embed implements [Embedder].
func (panics) Embed(context.Context, []string) ([][]float32, error) { panic("a bug") }

// TestCachedSurvivesABug has a panic go to who made the call, and leave nothing
// behind that the next one would wait for.
func TestCachedSurvivesABug(t *testing.T) {
	e := Cached(panics{}, 9)
	for range 2 {
		func() {
			defer func() {
				if p := recover(); p != "a bug" {
					t.Errorf("recovered %v, want the bug", p)
				}
			}()
			vectors, err := e.Embed(t.Context(), []string{"question"})
			t.Errorf("got %v, %v, want a panic", vectors, err)
		}()
	}
}
