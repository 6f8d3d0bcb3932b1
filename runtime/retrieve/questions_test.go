package retrieve

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/upstream"
)

// TestEmbeddedRetrieval asks the questions of testdata/questions.yaml of the
// embedded sample's documents with the embedded providers and their defaults. Of
// the 20, at least 18 must find their passage among the first three.
func TestEmbeddedRetrieval(t *testing.T) {
	const wantFound = 18
	cfg := config.Config{
		Embedding:   config.Embedding{Lexical: &config.Lexical{}},
		VectorStore: config.VectorStore{Memory: &config.Memory{Documents: sampleDocuments(t)}},
	}
	cfg.SetDefaults()
	upstreams := new(upstream.Registry)
	embedder, err := embed.New(cfg.Embedding, upstreams)
	if err != nil {
		t.Fatal(err)
	}
	store, err := Open(t.Context(), cfg.VectorStore, embedder, upstreams)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()

	var questions []struct {
		Question   string
		AnsweredBy []string `yaml:"answeredBy"`
	}
	readYAML(t, "testdata/questions.yaml", &questions)
	found := 0
	for _, q := range questions {
		vectors, err := embedder.Embed(t.Context(), []string{q.Question})
		if err != nil {
			t.Fatal(err)
		}
		passages, err := store.Search(t.Context(), Query{Vector: vectors[0], TopK: 3})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range passages {
			headings, _ := p.Metadata[MetadataHeading].(string)
			last := headings[strings.LastIndexByte(headings, '>')+1:]
			got = append(got, p.Source+"/"+strings.TrimSpace(last))
		}
		if slices.ContainsFunc(got, func(p string) bool { return slices.Contains(q.AnsweredBy, p) }) {
			found++
		} else {
			t.Logf("%q: want %q, got %q", q.Question, q.AnsweredBy, got)
		}
	}
	t.Logf("found %d of %d", found, len(questions))
	if found < wantFound || len(questions) != 20 {
		t.Errorf("found the right passage for %d of %d questions, want %d of 20", found, len(questions), wantFound)
	}
}

// sampleDocuments are the files that the embedded sample mounts.
func sampleDocuments(t *testing.T) []string {
	t.Helper()
	const folder = "../../docs"
	var k struct {
		ConfigMapGenerator []struct{ Files []string } `yaml:"configMapGenerator"`
	}
	readYAML(t, filepath.Join(folder, "kustomization.yaml"), &k)
	var documents []string
	for _, g := range k.ConfigMapGenerator {
		for _, file := range g.Files {
			documents = append(documents, path.Join(folder, file))
		}
	}
	return documents
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
