// Package retrieve finds passages in vector stores, with one file per store. It
// knows nothing of prompts, caches or HTTP handlers.
package retrieve

import "context"

// Passage is a piece of a document that was found.
type Passage struct {
	// ID of the passage in its store.
	ID string `json:"id"`
	// Text of the passage.
	Text string `json:"text"`
	// Source says where the passage is from: a file, a URL, a title; from the
	// metadata field "source" where the store has metadata.
	Source string `json:"source,omitempty"`
	// Score is the cosine similarity to the question, 1 for equal; each adapter
	// converts its store's own score to it.
	Score float64 `json:"score"`
	// Metadata as the store holds it, less the text. It is shared between
	// callers: only read it.
	Metadata map[string]any `json:"metadata,omitempty"`
}

// Query is what to find.
type Query struct {
	// Vector of the question.
	Vector []float32
	// TopK passages at most; at least 1.
	TopK int
	// MinScore leaves out passages with a lower [Passage.Score].
	MinScore float64
	// Filter on metadata; nil takes everything.
	Filter *Filter
}

// Store finds passages, best first.
type Store interface {
	// Search returns at most TopK passages in falling order of score.
	Search(ctx context.Context, query Query) ([]Passage, error)
	// Close gives back connections. No Search may follow.
	Close() error
}

// Writer is a Store that also takes documents in.
type Writer interface {
	Store
	// Upsert writes passages, replacing those of the same ID.
	Upsert(ctx context.Context, records []Record) error
	// Delete removes passages by ID; an unknown ID is no error.
	Delete(ctx context.Context, ids []string) error
	// DeleteWhere removes the passages that meet a filter, which is not nil; that
	// none does is no error.
	DeleteWhere(ctx context.Context, filter *Filter) error
}

// Record is a passage to write.
type Record struct {
	// ID is a UUID in its usual text form: Qdrant and Weaviate take nothing else.
	ID     string
	Text   string
	Vector []float32
	// Metadata values are strings, float64, bools and lists of strings. The
	// store's text field is not among them.
	Metadata map[string]any
}

// The metadata that [Put] and the memory store write with each passage.
const (
	// MetadataDocument is the ID of the document the passage is of.
	MetadataDocument = "document_id"
	// MetadataSource says where the document is from; see [Passage.Source].
	MetadataSource = "source"
	// MetadataHeading is the path of headings above the passage, as in
	// "Cache > Semantic tier"; missing above the first heading.
	MetadataHeading = "heading"
	// MetadataPassage is the passage's number in its document, from 0.
	MetadataPassage = "passage"
)
