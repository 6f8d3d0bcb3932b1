package retrieve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/blas/gonum"

	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/ingest"
)

// memory holds documents in the process and compares the question with every
// passage: exact, and for the few thousand passages of a mounted folder faster
// than any index over the network. What it holds is read at start and never
// changes, so it takes no documents.
type memory struct {
	passages   []Passage
	dimensions int
	// vectors of unit length, one after the other: a search reads memory in order.
	vectors []float32
	// identity is a hash of all that was read.
	identity string
}

// Identity names the content of the store. It is part of every cache key's epoch,
// so that an answer made from other documents is never served.
func (m *memory) Identity() string { return m.identity }

// embedBatch is how many passages are embedded with one call: what the usual
// embedding servers take by default.
const embedBatch = 32

// openMemory reads, splits and embeds the documents.
func openMemory(ctx context.Context, cfg config.Memory, embedder embed.Embedder) (*memory, error) {
	files, err := readDocuments(cfg.Documents)
	if err != nil {
		return nil, err
	}
	var m memory
	var texts []string
	content := sha256.New()
	for _, file := range files {
		format, _ := ingest.FormatOf(file.path)
		split, err := ingest.Split(format, file.data)
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", file.path, err)
		}
		for i, p := range split {
			passage := Passage{ID: file.source + "#" + strconv.Itoa(i), Text: p.Text, Source: file.source, Metadata: map[string]any{
				MetadataDocument: file.source, MetadataSource: file.source, MetadataPassage: float64(i),
			}}
			if p.Heading != "" {
				passage.Metadata[MetadataHeading] = p.Heading
			}
			m.passages = append(m.passages, passage)
			texts = append(texts, p.EmbeddingText())
			fmt.Fprintf(content, "%q %q\n", passage.ID, p.EmbeddingText())
		}
	}
	if len(m.passages) == 0 {
		return nil, fmt.Errorf("the documents %q hold no text", cfg.Documents)
	}
	for batch := range slices.Chunk(texts, embedBatch) {
		vectors, err := embed.Documents(embedder).Embed(ctx, batch)
		if err != nil {
			return nil, fmt.Errorf("embed the documents: %w", err)
		}
		if err := m.add(vectors); err != nil {
			return nil, fmt.Errorf("embed the documents: %w", err)
		}
	}
	m.identity = hex.EncodeToString(content.Sum(nil))
	return &m, nil
}

// add appends the vectors of the next passages, scaled to unit length.
func (m *memory) add(vectors [][]float32) error {
	for _, v := range vectors {
		if m.dimensions == 0 {
			m.dimensions = len(v)
			m.vectors = make([]float32, 0, len(m.passages)*len(v))
		}
		if len(v) != m.dimensions {
			return dimensionError(m.dimensions, len(v))
		}
		m.vectors = append(m.vectors, v...)
		if !normalize(m.vectors[len(m.vectors)-len(v):]) {
			return errors.New("a vector has a component that is not a number, or too large")
		}
	}
	return nil
}

// Search implements [Store]. A filter is asked only about passages that would be
// among the best.
func (m *memory) Search(ctx context.Context, query Query) ([]Passage, error) {
	if len(query.Vector) != m.dimensions {
		return nil, dimensionError(m.dimensions, len(query.Vector))
	}
	scale, ok := toUnit(query.Vector)
	if !ok {
		return nil, errors.New("the question's vector has a component that is not a number, or too large")
	}
	best := newTopK(query.TopK, query.MinScore)
	for i := range m.passages {
		if i%cancelEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		row := m.vectors[i*m.dimensions : (i+1)*m.dimensions]
		score := float64(scale * gonum.Implementation{}.Sdot(m.dimensions, query.Vector, 1, row, 1))
		if best.wants(score) && query.Filter.Match(m.passages[i].Metadata) {
			best.add(i, score)
		}
	}
	found := make([]Passage, len(best.entries))
	for i, e := range best.entries {
		found[i] = m.passages[e.index]
		found[i].Score = e.score
	}
	return found, nil
}

// cancelEvery is how many passages are compared between two looks at the
// context: about 0.2 ms of work.
const cancelEvery = 4096

// Close implements [Store].
func (m *memory) Close() error { return nil }

// normalize scales the vector to unit length and reports whether all of it are
// numbers. A zero vector stays: it is like nothing.
func normalize(v []float32) bool {
	scale, ok := toUnit(v)
	for i := range v {
		v[i] *= scale
	}
	return ok
}

// toUnit is what the vector is to be multiplied with to have unit length; 1 for a
// zero vector. It reports whether all of the vector are numbers, and few enough of
// them huge that products with it are numbers, too.
func toUnit(v []float32) (scale float32, ok bool) {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	switch length := math.Sqrt(sum); {
	case math.IsNaN(length) || length > math.MaxFloat32:
		return 1, false
	case length == 0:
		return 1, true
	default:
		return float32(1 / length), true
	}
}

// topK keeps the k best scores, best first; of equal scores the one that came
// first. K is small (100 at most), so a sorted slice beats a heap.
type topK struct {
	entries  []scored
	k        int
	minScore float64
}

type scored struct {
	index int
	score float64
}

func newTopK(k int, minScore float64) *topK {
	return &topK{entries: make([]scored, 0, k), k: k, minScore: minScore}
}

func (t *topK) wants(score float64) bool {
	if score < t.minScore {
		return false
	}
	return len(t.entries) < t.k || score > t.entries[len(t.entries)-1].score
}

// add inserts a wanted score.
func (t *topK) add(index int, score float64) {
	if len(t.entries) == t.k {
		t.entries = t.entries[:t.k-1]
	}
	at := len(t.entries)
	for at > 0 && t.entries[at-1].score < score {
		at--
	}
	t.entries = slices.Insert(t.entries, at, scored{index, score})
}
