package generate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/retrieve"
)

func TestExtractive(t *testing.T) {
	redis := retrieve.Passage{Source: "failures.md", Text: `## Redis is slow or gone

The cache is a help, never a condition. When Redis is down, the
query goes on without the cache. Answers still come, only slower.
`}
	tenants := retrieve.Passage{Source: "security.md", Text: "Every key is bound to a tenant. Redis asks for a password.\n"}
	tests := []struct {
		name     string
		question string
		passages []retrieve.Passage
		maxWords int
		want     string
	}{
		{
			name: "the best sentence, joined over the line break", question: "What happens when Redis is down?", passages: []retrieve.Passage{redis},
			want: "When Redis is down, the query goes on without the cache. [1]",
		},
		{
			name: "of several passages, each with its number", question: "Redis password cache", passages: []retrieve.Passage{redis, tenants},
			want: "The cache is a help, never a condition. When Redis is down, the query goes on without the cache. [1]\n\nRedis asks for a password. [2]",
		},
		{
			name: "within the bound of words", question: "Redis password cache", passages: []retrieve.Passage{redis, tenants}, maxWords: 12,
			want: "When Redis is down, the query goes on without the cache. [1]",
		},
		{
			name: "one sentence even beyond the bound", question: "Redis password", passages: []retrieve.Passage{tenants}, maxWords: 1,
			want: "Redis asks for a password. [1]",
		},
		{name: "an equal sentence once", question: "tenant key", passages: []retrieve.Passage{tenants, tenants}, want: "Every key is bound to a tenant. [1]"},
		{name: "no passages", question: "What?", want: NothingFound},
		{name: "passages without text", question: "What?", passages: []retrieve.Passage{{Text: "## Only a heading\n"}}, want: NothingFound},
		{
			name: "no shared word: the beginning of the best passage", question: "Wozu?", passages: []retrieve.Passage{tenants},
			want: "Every key is bound to a tenant. Redis asks for a password. [1]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var emitted strings.Builder
			p := (&settings{maxTokens: 512}).prompt(&Request{Question: tt.question, Passages: tt.passages, MaxOutputTokens: tt.maxWords})
			got, err := extractive{}.complete(t.Context(), p, func(piece string) error {
				emitted.WriteString(piece)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := &Completion{Text: tt.want, FinishReason: FinishStop, Model: "extractive", Upstream: "extractive"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if emitted.String() != tt.want {
				t.Errorf("emitted %q, want the whole answer", emitted.String())
			}
		})
	}
}

func TestExtractiveStops(t *testing.T) {
	p := &prompt{Request: &Request{Question: "a", Passages: []retrieve.Passage{{Text: "A b. C d."}}}, maxTokens: 9}
	gone := errors.New("the caller is gone")
	if _, err := (extractive{}).complete(t.Context(), p, func(string) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("got %v, want the error of emit", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (extractive{}).complete(ctx, p, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestSentences(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{name: "prose", in: "One is. Two is?\nThree\nis! Four", want: []string{"One is.", "Two is?", "Three is!", "Four"}},
		{name: "headings are left out", in: "# A\n\ntext\n## B\nmore", want: []string{"text", "more"}},
		{name: "numbers and names keep their dots", in: "Version 1.26 of main.go, e.g. this one.", want: []string{"Version 1.26 of main.go, e.g. this one."}},
		{name: "list", in: "- One\n  goes on\n- Two\n1. Three. Four", want: []string{"- One goes on", "- Two", "1. Three.", "Four"}},
		{name: "table", in: "| a | b |\n| 1 | 2 |", want: []string{"| a | b |", "| 1 | 2 |"}},
		{name: "code", in: "Run:\n```\n# not a heading\nmake. Demo\n```\nDone.", want: []string{"Run:", "# not a heading", "make. Demo", "Done."}},
		{name: "nothing", in: " \n\n", want: nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, sentences(tt.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
