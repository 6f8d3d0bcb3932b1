package embed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestLexicalFindsPassages asks 40 questions of the embedded sample's documents, cut
// at their headings, and wants the named passage among the first three. Most of the
// questions use other words than the passage does somewhere, which is what the
// embedding is weakest at; the floor is what it reached when its weights were
// chosen. What the runtime's own chunks reach is tested with the memory store.
func TestLexicalFindsPassages(t *testing.T) {
	const wantFound = 33
	e := NewLexical(2048)
	passages := readPassages(t, "../../docs")
	found := 0
	for line := range strings.Lines(readFile(t, "testdata/questions.txt")) {
		question, want, ok := strings.Cut(strings.TrimSpace(line), " | ")
		if !ok || passages[want] == "" {
			t.Errorf("%q: want a question and, after a |, a passage of the documentation", line)
			continue
		}
		if first := nearest(t, e, question, passages)[:3]; slices.Contains(first, want) {
			found++
		} else {
			t.Logf("%q: want %s, got %s", question, want, first)
		}
	}
	if found < wantFound {
		t.Errorf("found %d passages, want %d", found, wantFound)
	}
}

func TestLexicalVectors(t *testing.T) {
	tests := []struct {
		name      string
		a, b      string
		min, max  float64
		wantEqual bool
	}{
		{name: "case and punctuation do not count", a: "Redis is down!", b: "redis, is DOWN", wantEqual: true},
		{name: "endings do not count", a: "cached answers", b: "caching answer", min: 0.95},
		{name: "parts of names count", a: "minReplicas", b: "minimum of replicas", min: 0.3},
		{name: "stop words do not count", a: "what is the cache", b: "cache", wantEqual: true},
		{name: "stop words are better than nothing", a: "who are you", b: "who are you then", min: 0.7},
		{name: "typing errors leave something", a: "autoscaler", b: "autoscaller", min: 0.15},
		{name: "other words are far", a: "vector store", b: "network policy", max: 0.1},
		{name: "no words", a: "", b: "?!", max: 0.1, min: -0.1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vectors, err := NewLexical(512).Embed(t.Context(), []string{tt.a, tt.b})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range vectors {
				if length := dot(v, v); length < 0.999 || length > 1.001 {
					t.Errorf("vector %d has the squared length %v, want 1", i, length)
				}
			}
			got := dot(vectors[0], vectors[1])
			if tt.wantEqual && got < 0.999 || got < tt.min || tt.max != 0 && got > tt.max {
				t.Errorf("similarity %v, want between %v and %v, equal %v", got, tt.min, tt.max, tt.wantEqual)
			}
		})
	}
}

func TestLexicalStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewLexical(8).Embed(ctx, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func FuzzLexical(f *testing.F) {
	for _, seed := range []string{"", "don’t", "staleTTL", "日本語の文章", "\xff\xfe", "İ'İ", "x0CTtL"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		vectors, err := NewLexical(64).Embed(t.Context(), []string{text, text})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(vectors[0], vectors[1]) {
			t.Error("the same text has two vectors")
		}
		if length := dot(vectors[0], vectors[0]); length < 0.999 || length > 1.001 {
			t.Errorf("squared length %v, want 1", length)
		}
	})
}

func BenchmarkLexicalQuestion(b *testing.B) {
	e := NewLexical(2048)
	text := []string{"What happens to queries in flight when a replica is told to stop?"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Embed(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
}

// nearest returns the names of all passages, the one most like the question
// first.
func nearest(t *testing.T, e Embedder, question string, passages map[string]string) []string {
	t.Helper()
	var names, texts []string
	for name, text := range passages {
		names, texts = append(names, name), append(texts, text)
	}
	vectors, err := e.Embed(t.Context(), append(texts, question))
	if err != nil {
		t.Fatal(err)
	}
	last := vectors[len(texts)]
	score := map[string]float64{}
	for i, name := range names {
		score[name] = dot(vectors[i], last)
	}
	slices.SortFunc(names, func(a, b string) int {
		if score[a] > score[b] || score[a] == score[b] && a < b {
			return -1
		}
		return 1
	})
	return names
}

// readPassages cuts the documents of the embedded sample at their headings; pages
// to look things up in, as the reference, are none. The name of a passage is
// file/heading.
func readPassages(t *testing.T, folder string) map[string]string {
	t.Helper()
	var sample struct {
		ConfigMapGenerator []struct {
			Files []string `yaml:"files"`
		} `yaml:"configMapGenerator"`
	}
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(folder, "kustomization.yaml"))), &sample); err != nil || len(sample.ConfigMapGenerator) != 1 {
		t.Fatalf("the sample's documents: %v, %v", sample, err)
	}
	passages := map[string]string{}
	for _, file := range sample.ConfigMapGenerator[0].Files {
		file = filepath.Join(folder, file)
		title := ""
		for section := range strings.SplitSeq("\n"+readFile(t, file), "\n#") {
			heading, text, _ := strings.Cut(strings.TrimLeft(section, "# "), "\n")
			if title == "" {
				title = heading
			}
			if strings.TrimSpace(text) != "" {
				passages[filepath.Base(file)+"/"+heading] = title + "\n" + heading + "\n" + text
			}
		}
	}
	return passages
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func dot(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
