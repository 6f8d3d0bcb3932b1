package ingest

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name     string
		format   Format
		document string
		want     []Passage
	}{
		{name: "nothing", format: Markdown, document: "", want: nil},
		{name: "white space", format: Text, document: " \n\n\t\n", want: nil},
		{
			name: "markdown headings nest and end", format: Markdown,
			document: "Intro.\n\n# Cache\nIt keeps.\n## Local\nIn *memory*.\n### Bytes\nSixty-four.\n## Redis\nIn `redis`.\n# Model\nIt writes.\n",
			want: []Passage{
				{Text: "Intro."},
				{Heading: "Cache", Text: "It keeps."},
				{Heading: "Cache > Local", Text: "In memory."},
				{Heading: "Cache > Local > Bytes", Text: "Sixty-four."},
				{Heading: "Cache > Redis", Text: "In redis."},
				{Heading: "Model", Text: "It writes."},
			},
		},
		{
			name: "markdown underlined headings", format: Markdown,
			document: "Title\n=====\nBody [link](http://x).\n",
			want:     []Passage{{Heading: "Title", Text: "Body link."}},
		},
		{
			name: "a heading in code is none", format: Markdown,
			document: "Run:\n\n```sh\n# build it\nmake\n```\n\nDone.\n",
			want:     []Passage{{Text: "Run:\n\n# build it\nmake\n\nDone."}},
		},
		{
			name: "front matter is left out", format: Markdown,
			document: "---\ntitle: x\n---\n# A\nText.\n",
			want:     []Passage{{Heading: "A", Text: "Text."}},
		},
		{
			name: "lists and tables keep their lines", format: Markdown,
			document: "Tiers:\n\n- local\n- redis,\n  shared\n\n| part | then |\n|---|---|\n| Redis gone | skipped |\n",
			want:     []Passage{{Text: "Tiers:\n- local\n- redis, shared\npart | then\nRedis gone | skipped"}},
		},
		{
			name: "html without what is not content", format: HTML,
			document: `<html><head><title>t</title><style>p{}</style></head><body><nav>Home</nav><h1>Guide <em>one</em></h1>` +
				`<p>First<br>line &amp; more</p><script>alert(1)</script><!-- note --><div>Second <img alt="picture"></div><footer>(c)</footer></body></html>`,
			want: []Passage{{Heading: "Guide one", Text: "First line & more\n\nSecond picture"}},
		},
		{
			name: "plain text", format: Text,
			document: "One\nstill one.\r\n\r\n\nTwo.",
			want:     []Passage{{Text: "One\nstill one.\n\nTwo."}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Split(tt.format, []byte(tt.document))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("passages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitErrors(t *testing.T) {
	tests := []struct {
		name     string
		format   Format
		document string
		want     string
	}{
		{name: "not UTF-8", format: Text, document: "a\xff", want: "is not UTF-8 text"},
		{name: "unknown format", format: "pdf", document: "a", want: `format "pdf" is unknown: it must be markdown, html or text`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Split(tt.format, []byte(tt.document))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSplitLongText(t *testing.T) {
	sentence := "The answer waits behind the queue of writes. " // 45 characters
	tests := []struct {
		name     string
		document string
		wantEnds string // of every piece but the last
	}{
		{name: "between sentences", document: strings.Repeat(sentence, 100), wantEnds: "."},
		{name: "between words", document: strings.Repeat("word ", 1000), wantEnds: "word"},
		{name: "anywhere", document: strings.Repeat("x", 5000), wantEnds: "x"},
		{name: "wide characters", document: strings.Repeat("これは文です。", 500), wantEnds: "。"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Split(Text, []byte(tt.document))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) < 2 {
				t.Fatalf("got %d passages, want several", len(got))
			}
			var all strings.Builder
			for i, p := range got {
				if n := utf8.RuneCountInString(p.Text); n > maxLength {
					t.Errorf("passage %d has %d characters, more than %d", i, n, maxLength)
				}
				if i < len(got)-1 && !strings.HasSuffix(p.Text, tt.wantEnds) {
					t.Errorf("passage %d ends in %q, want %q", i, p.Text[len(p.Text)-10:], tt.wantEnds)
				}
				all.WriteString(p.Text)
			}
			if squeeze(all.String()) != squeeze(tt.document) {
				t.Error("the passages together are not the document")
			}
		})
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

func TestEmbeddingTextNamesTheHeading(t *testing.T) {
	p := Passage{Heading: "Cache > Local", Text: "Kept in memory."}
	if got, want := p.EmbeddingText(), "Cache > Local\nKept in memory."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"# A\n\n- b\n  - c\n", "<p>x<table><tr><td>y", "---\n---\n", "a\n\nb"} {
		for _, format := range []Format{Markdown, HTML, Text} {
			f.Add(string(format), seed)
		}
	}
	f.Fuzz(func(t *testing.T, format, document string) {
		passages, err := Split(Format(format), []byte(document))
		if err != nil {
			return
		}
		for _, p := range passages {
			if strings.TrimSpace(p.Text) == "" {
				t.Errorf("an empty passage")
			}
			if n := utf8.RuneCountInString(p.Text); n > maxLength+len("- ") {
				t.Errorf("a passage of %d characters", n)
			}
		}
	})
}
