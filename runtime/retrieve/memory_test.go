package retrieve

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/runtime/config"
)

// letters embeds a text as how often each of a to z is in it.
type letters struct{ batches []int }

func (e *letters) Embed(_ context.Context, texts []string) ([][]float32, error) {
	e.batches = append(e.batches, len(texts))
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = make([]float32, 26)
		for _, r := range strings.ToLower(text) {
			if r >= 'a' && r <= 'z' {
				vectors[i][r-'a']++
			}
		}
	}
	return vectors, nil
}

func (*letters) Identity() string { return "letters/26" }

type failing struct{ err error }

func (e failing) Embed(context.Context, []string) ([][]float32, error) { return nil, e.err }
func (failing) Identity() string                                       { return "failing" }

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMemoryFindsPassages(t *testing.T) {
	root := folder(t, map[string]string{
		"a.md":        "# Zoo\nzzz zzz\n\n# Pool\nppp\n",
		"sub/b.html":  "<p>qqq</p>",
		"c.txt":       "xyz",
		"ignored.pdf": "zzzzzzzz",
		".hidden.md":  "zzzzzzzz",
	})
	e := &letters{}
	store, err := openMemory(t.Context(), config.Memory{Documents: []string{root}}, e)
	if err != nil {
		t.Fatal(err)
	}
	question, _ := e.Embed(t.Context(), []string{"z"})
	got, err := store.Search(t.Context(), Query{Vector: question[0], TopK: 2, MinScore: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	want := []Passage{
		{ID: "a.md#0", Text: "zzz zzz", Source: "a.md", Score: 0.96,
			Metadata: map[string]any{"document_id": "a.md", "source": "a.md", "heading": "Zoo", "passage": 0.0}},
		{ID: "c.txt#0", Text: "xyz", Source: "c.txt", Score: 0.58,
			Metadata: map[string]any{"document_id": "c.txt", "source": "c.txt", "passage": 0.0}},
	}
	if diff := cmp.Diff(want, got, scoresAbout(0.01)); diff != "" {
		t.Errorf("passages (-want +got):\n%s", diff)
	}
}

func scoresAbout(margin float64) cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Score" },
		cmp.Comparer(func(a, b float64) bool { return a-b < margin && b-a < margin }))
}

func TestMemoryEmbedsInBatches(t *testing.T) {
	e := &letters{}
	root := folder(t, map[string]string{"a.md": strings.Repeat("# A\ntext\n# B\ntext\n", embedBatch) + "# C\ntext\n"})
	if _, err := openMemory(t.Context(), config.Memory{Documents: []string{root}}, e); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{embedBatch, embedBatch, 1}, e.batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

// TestMemoryIdentityFollowsContent: the same documents at another place are the
// same, and other words or another name are not.
func TestMemoryIdentityFollowsContent(t *testing.T) {
	identity := func(files map[string]string) string {
		t.Helper()
		m, err := openMemory(t.Context(), config.Memory{Documents: []string{folder(t, files)}}, &letters{})
		if err != nil {
			t.Fatal(err)
		}
		return m.Identity()
	}
	first := identity(map[string]string{"a.md": "one", "b.md": "two"})
	if again := identity(map[string]string{"a.md": "one", "b.md": "two"}); again != first {
		t.Error("the same documents have another identity")
	}
	for name, files := range map[string]map[string]string{
		"other words":  {"a.md": "one", "b.md": "three"},
		"another name": {"a.md": "one", "c.md": "two"},
		"one less":     {"a.md": "one"},
	} {
		if identity(files) == first {
			t.Errorf("%s: the identity is the same", name)
		}
	}
}

func TestOpenMemoryErrors(t *testing.T) {
	gone := errors.New("the embedding server is gone")
	tests := []struct {
		name     string
		files    map[string]string
		document string // within the folder
		embedder failing
		want     string
	}{
		{name: "no such folder", document: "none", want: "no such file or directory"},
		{name: "no documents", files: map[string]string{"a.pdf": "x"}, want: "hold no text"},
		{name: "a file that is no document", files: map[string]string{"a.pdf": "x"}, document: "a.pdf", want: "a.pdf: the name must end in .md, .txt or .html"},
		{name: "not UTF-8", files: map[string]string{"a.txt": "\xff\xfe"}, want: "a.txt: is not UTF-8 text"},
		{name: "too large", files: map[string]string{"a.txt": strings.Repeat("x", maxDocumentBytes+1)}, want: "takes at most 16777216"},
		{name: "embedding fails", files: map[string]string{"a.txt": "x"}, embedder: failing{gone}, want: gone.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(folder(t, tt.files), tt.document)
			_, err := openMemory(t.Context(), config.Memory{Documents: []string{path}}, tt.embedder)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// A mounted ConfigMap is a folder of links into ..data, itself a link to a folder.
func TestReadDocumentsOfAMountedConfigMap(t *testing.T) {
	root := folder(t, map[string]string{"..2026_11_23/guide.md": "text"})
	for link, target := range map[string]string{"..data": "..2026_11_23", "guide.md": "..data/guide.md", "loop.md": "."} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readDocuments([]string{root})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].source != "guide.md" || string(got[0].data) != "text" {
		t.Errorf("got %v, want guide.md once", got)
	}
}

func TestReadDocumentsNamesThemApart(t *testing.T) {
	one, two := folder(t, map[string]string{"a.md": "1", "b.md": "1"}), folder(t, map[string]string{"a.md": "2"})
	got, err := readDocuments([]string{one, filepath.Join(two, "a.md")})
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, d := range got {
		sources = append(sources, d.source)
	}
	if diff := cmp.Diff([]string{one + "/a.md", "b.md", two + "/a.md"}, sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// randomMemory fills a store with random vectors.
func randomMemory(passages, dimensions int) (*memory, [][]float32) {
	random := rand.New(rand.NewPCG(1, 2))
	m := &memory{passages: make([]Passage, passages)}
	vectors := make([][]float32, passages)
	for i := range vectors {
		vectors[i] = make([]float32, dimensions)
		for j := range vectors[i] {
			vectors[i][j] = float32(random.NormFloat64())
		}
		m.passages[i].Metadata = map[string]any{"even": i%2 == 0}
	}
	if err := m.add(vectors); err != nil {
		panic(err)
	}
	return m, vectors
}

func BenchmarkMemorySearch10000x384(b *testing.B) {
	m, vectors := randomMemory(10_000, 384)
	for _, bb := range []struct {
		name   string
		filter *Filter
	}{
		{name: "all"},
		{name: "filtered", filter: &Filter{Type: FilterEqual, Key: "even", Value: true}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Search(b.Context(), Query{Vector: vectors[17], TopK: 5, Filter: bb.filter}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
