package retrieve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/ingest"
	"ragops.dev/ragservice/runtime/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The passages of the conformance suite, by name. Their vectors have two
// dimensions that matter, so that their similarity to the question (1, 0, 0, 0)
// can be read off; not all are of unit length.
var conformancePassages = map[string]Record{
	"equal":    passageRecord(1, "The very same.", []float32{2, 0, 0, 0}, map[string]any{"source": "a.md", "lang": "en", "year": 2024.0, "draft": false, "tags": []any{"x", "y"}}),
	"near":     passageRecord(2, "Close to it.", []float32{0.8, 0.6, 0, 0}, map[string]any{"source": "b.md", "lang": "en", "year": 2023.0, "draft": true}),
	"far":      passageRecord(3, "Further away; it's 100% \"quoted\" – ünïcode.", []float32{0.6, 0.8, 0, 0}, map[string]any{"source": "c.md", "lang": "de", "year": 2022.5, "draft": false}),
	"right":    passageRecord(4, "At a right angle.", []float32{0, 1, 0, 0}, map[string]any{"source": "d.md", "lang": "fr", "year": 2021.0, "draft": false, "tags": []any{"y"}}),
	"opposite": passageRecord(5, "The opposite.", []float32{-1, 0, 0, 0}, map[string]any{"source": "e.md"}),
}

var conformanceScores = map[string]float64{"equal": 1, "near": 0.8, "far": 0.6, "right": 0, "opposite": -1}

func passageRecord(n int, text string, vector []float32, metadata map[string]any) Record {
	return Record{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), Text: text, Vector: vector, Metadata: metadata}
}

var question = []float32{1, 0, 0, 0}

// fixture is a store under test.
type fixture struct {
	// open returns a store over a new, empty place for vectors of four dimensions.
	// A store that cannot write holds the conformance passages.
	open func(t *testing.T) Store
	// prefilled says so.
	prefilled bool
	// unchecked stores do not know the dimensions of what they hold.
	unchecked bool
}

// testConformance is what every store keeps, whatever is behind it.
func testConformance(t *testing.T, f fixture) {
	t.Run("search", func(t *testing.T) { testSearch(t, f) })
	t.Run("filters", func(t *testing.T) { testFilters(t, f) })
	t.Run("ends early", func(t *testing.T) { testContext(t, f) })
	t.Run("wrong dimensions", func(t *testing.T) { testDimensions(t, f) })
	t.Run("concurrent searches", func(t *testing.T) { testConcurrent(t, f) })
	t.Run("close leaves nothing", func(t *testing.T) { testClose(t, f) })
	if f.prefilled {
		return
	}
	t.Run("write", func(t *testing.T) { testWrite(t, f) })
	t.Run("documents", func(t *testing.T) { testDocuments(t, f) })
}

// filled returns a store that holds the conformance passages.
func filled(t *testing.T, f fixture) Store {
	t.Helper()
	store := f.open(t)
	t.Cleanup(func() { store.Close() })
	if !f.prefilled {
		w, err := WriterOf(store)
		if err != nil {
			t.Fatal(err)
		}
		var records []Record
		for _, name := range []string{"far", "opposite", "equal", "right", "near"} {
			records = append(records, conformancePassages[name])
		}
		if err := w.Upsert(t.Context(), records); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func testSearch(t *testing.T, f fixture) {
	store := filled(t, f)
	tests := []struct {
		name  string
		query Query
		want  []string
	}{
		{name: "best first", query: Query{TopK: 10, MinScore: -1}, want: []string{"equal", "near", "far", "right", "opposite"}},
		{name: "only the best", query: Query{TopK: 2, MinScore: -1}, want: []string{"equal", "near"}},
		{name: "at least as similar", query: Query{TopK: 10, MinScore: 0.7}, want: []string{"equal", "near"}},
		{name: "the least similarity counts", query: Query{TopK: 10, MinScore: 0.59}, want: []string{"equal", "near", "far"}},
		{name: "nothing is similar", query: Query{Vector: []float32{0, 0, 1, 0}, TopK: 10, MinScore: 0.5}, want: nil},
		{name: "length does not count", query: Query{Vector: []float32{7, 0, 0, 0}, TopK: 1}, want: []string{"equal"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.query.Vector == nil {
				tt.query.Vector = question
			}
			got, err := store.Search(t.Context(), tt.query)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantPassages(tt.want), got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(0, 1e-5)); diff != "" {
				t.Errorf("passages (-want +got):\n%s", diff)
			}
		})
	}
}

func wantPassages(names []string) []Passage {
	var want []Passage
	for _, name := range names {
		r := conformancePassages[name]
		want = append(want, Passage{
			ID: r.ID, Text: r.Text, Source: r.Metadata["source"].(string), Score: conformanceScores[name], Metadata: r.Metadata,
		})
	}
	return want
}

func testFilters(t *testing.T, f fixture) {
	store := filled(t, f)
	tests := []struct {
		name, filter string
		want         []string
	}{
		{name: "eq text", filter: `{"type":"eq","key":"lang","value":"en"}`, want: []string{"equal", "near"}},
		{name: "eq number", filter: `{"type":"eq","key":"year","value":2022.5}`, want: []string{"far"}},
		{name: "eq boolean", filter: `{"type":"eq","key":"draft","value":true}`, want: []string{"near"}},
		{name: "eq element of a list", filter: `{"type":"eq","key":"tags","value":"x"}`, want: []string{"equal"}},
		{name: "eq nothing", filter: `{"type":"eq","key":"lang","value":"it' OR \"1\"=\"1"}`, want: nil},
		{name: "ne holds where the key is missing", filter: `{"type":"ne","key":"lang","value":"en"}`, want: []string{"far", "right", "opposite"}},
		{name: "ne number", filter: `{"type":"ne","key":"year","value":2024}`, want: []string{"near", "far", "right", "opposite"}},
		{name: "gt", filter: `{"type":"gt","key":"year","value":2023}`, want: []string{"equal"}},
		{name: "gte", filter: `{"type":"gte","key":"year","value":2023}`, want: []string{"equal", "near"}},
		{name: "lt", filter: `{"type":"lt","key":"year","value":2022.5}`, want: []string{"right"}},
		{name: "lte", filter: `{"type":"lte","key":"year","value":2022.5}`, want: []string{"far", "right"}},
		{name: "in", filter: `{"type":"in","key":"lang","value":["de","fr","it"]}`, want: []string{"far", "right"}},
		{name: "in numbers", filter: `{"type":"in","key":"year","value":[2021,2022.5]}`, want: []string{"far", "right"}},
		{name: "in with a list", filter: `{"type":"in","key":"tags","value":["y"]}`, want: []string{"equal", "right"}},
		{name: "nin", filter: `{"type":"nin","key":"lang","value":["en","de"]}`, want: []string{"right", "opposite"}},
		{name: "and", filter: `{"type":"and","filters":[{"type":"eq","key":"draft","value":false},{"type":"gt","key":"year","value":2022}]}`, want: []string{"equal", "far"}},
		{name: "or", filter: `{"type":"or","filters":[{"type":"eq","key":"lang","value":"fr"},{"type":"eq","key":"source","value":"e.md"}]}`, want: []string{"right", "opposite"}},
		{
			name: "nested",
			filter: `{"type":"and","filters":[{"type":"or","filters":[{"type":"eq","key":"lang","value":"en"},{"type":"and","filters":[` +
				`{"type":"ne","key":"lang","value":"de"},{"type":"lt","key":"year","value":2022}]}]},{"type":"nin","key":"source","value":["b.md"]}]}`,
			want: []string{"equal", "right"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			filter, err := ParseFilter([]byte(tt.filter))
			if err != nil {
				t.Fatal(err)
			}
			got, err := store.Search(t.Context(), Query{Vector: question, TopK: 10, MinScore: -1, Filter: filter})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantPassages(tt.want), got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(0, 1e-5)); diff != "" {
				t.Errorf("passages (-want +got):\n%s", diff)
			}
		})
	}
}

func testContext(t *testing.T, f fixture) {
	store := filled(t, f)
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := store.Search(ctx, Query{Vector: question, TopK: 1}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, err := store.Search(ctx, Query{Vector: question, TopK: 1})
		if e, ok := errors.AsType[*upstream.Error](err); !errors.Is(err, context.DeadlineExceeded) && (!ok || e.Kind != upstream.KindTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
}

func testDimensions(t *testing.T, f fixture) {
	if f.unchecked {
		t.Skip("this store takes vectors of any length: what it holds is its own affair")
	}
	store := filled(t, f)
	_, err := store.Search(t.Context(), Query{Vector: []float32{1, 0}, TopK: 1})
	if err == nil || !strings.Contains(err.Error(), "dimensions") {
		t.Fatalf("got %v, want an error about dimensions", err)
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok && e.Kind != upstream.KindRejected {
		t.Errorf("got kind %s, want %s: asking again does not help", e.Kind, upstream.KindRejected)
	}
	if _, err := store.Search(t.Context(), Query{Vector: question, TopK: 1}); err != nil {
		t.Errorf("the next search with the right length: %v", err)
	}
}

func testConcurrent(t *testing.T, f fixture) {
	store := filled(t, f)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				got, err := store.Search(t.Context(), Query{Vector: question, TopK: 3})
				if err != nil || len(got) != 3 || math.Abs(got[0].Score-1) > 1e-5 {
					t.Errorf("got %d passages and %v, want three", len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func testClose(t *testing.T, f fixture) {
	before := goleak.IgnoreCurrent()
	store := filled(t, f)
	if _, err := store.Search(t.Context(), Query{Vector: question, TopK: 1}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := goleak.Find(before, goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("google.golang.org/grpc.(*Server).Serve")); err != nil {
		t.Error(err)
	}
}

func testWrite(t *testing.T, f fixture) {
	w, err := WriterOf(filled(t, f))
	if err != nil {
		t.Fatal(err)
	}
	replaced := conformancePassages["near"]
	replaced.Text, replaced.Vector = "Now equal.", []float32{1, 0, 0, 0}
	replaced.Metadata = map[string]any{"source": "new.md"}
	if err := w.Upsert(t.Context(), []Record{replaced}); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), []string{conformancePassages["equal"].ID, passageRecord(99, "", nil, nil).ID}); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteWhere(t.Context(), &Filter{Type: FilterIn, Key: "lang", Value: []any{"fr", "it"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteWhere(t.Context(), &Filter{Type: FilterEqual, Key: "lang", Value: "none"}); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteWhere(t.Context(), nil); err == nil {
		t.Error("DeleteWhere without a filter is no error")
	}
	if err := w.Upsert(t.Context(), []Record{passageRecord(98, "Too short.", []float32{1}, nil)}); err == nil && !f.unchecked {
		t.Error("a vector of another length was written")
	}
	want := append([]Passage{{ID: replaced.ID, Text: "Now equal.", Source: "new.md", Score: 1, Metadata: replaced.Metadata}}, wantPassages([]string{"far", "opposite"})...)
	got, err := w.Search(t.Context(), Query{Vector: question, TopK: 10, MinScore: -1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-5)); diff != "" {
		t.Errorf("passages (-want +got):\n%s", diff)
	}
}

// testDocuments puts a document, a shorter version of it, and removes it.
func testDocuments(t *testing.T, f fixture) {
	w, err := WriterOf(f.open(t))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	e := embed.NewLexical(4)
	texts := func() []string {
		t.Helper()
		got, err := w.Search(t.Context(), Query{Vector: question, TopK: 100, MinScore: -1})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, p := range got {
			all = append(all, fmt.Sprint(p.Source, "/", p.Metadata[MetadataHeading], ": ", p.Text, " ", p.Metadata["team"]))
		}
		slices.Sort(all)
		return all
	}
	long := Document{ID: "guide", Source: "guide.md", Format: ingest.Markdown, Text: []byte("# One\nFirst.\n# Two\nSecond.\n# Three\nThird.\n"), Metadata: map[string]any{"team": "red"}}
	short := Document{ID: "guide", Format: ingest.Markdown, Text: []byte("# One\nNew.\n"), Metadata: map[string]any{"team": "blue"}}
	other := Document{ID: "other", Format: ingest.Text, Text: []byte("Other."), Metadata: map[string]any{"team": "red"}}
	for _, d := range []Document{long, other} {
		if _, err := Put(t.Context(), w, e, d); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"guide.md/One: First. red", "guide.md/Three: Third. red", "guide.md/Two: Second. red", "other/<nil>: Other. red"}, texts()); diff != "" {
		t.Errorf("after two documents (-want +got):\n%s", diff)
	}
	if n, err := Put(t.Context(), w, e, short); err != nil || n != 1 {
		t.Fatalf("got %d passages and %v, want 1", n, err)
	}
	if diff := cmp.Diff([]string{"guide/One: New. blue", "other/<nil>: Other. red"}, texts()); diff != "" {
		t.Errorf("after a shorter version (-want +got):\n%s", diff)
	}
	if err := Remove(t.Context(), w, []string{"guide", "unknown"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"other/<nil>: Other. red"}, texts()); diff != "" {
		t.Errorf("after removal (-want +got):\n%s", diff)
	}
}

// secretFile writes a secret into a file, as Kubernetes mounts it.
func secretFile(t *testing.T, secret string) string {
	t.Helper()
	return filepath.Join(folder(t, map[string]string{"secret": secret}), "secret")
}

// testRemote is the remote part of a store under test.
func testRemote(name string, timeout time.Duration) remote {
	return remote{upstream: new(upstream.Registry).New(name), timeout: timeout}
}

func TestMemoryConforms(t *testing.T) {
	testConformance(t, fixture{prefilled: true, open: func(t *testing.T) Store {
		m := &memory{}
		var vectors [][]float32
		for _, r := range conformancePassages {
			m.passages = append(m.passages, Passage{ID: r.ID, Text: r.Text, Source: r.Metadata["source"].(string), Metadata: r.Metadata})
			vectors = append(vectors, r.Vector)
		}
		if err := m.add(vectors); err != nil {
			t.Fatal(err)
		}
		return m
	}})
}
