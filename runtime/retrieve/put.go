package retrieve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"ragops.dev/ragservice/runtime/embed"
	"ragops.dev/ragservice/runtime/ingest"
)

// Document is a text to be found later.
type Document struct {
	// ID names the document; putting another of the same ID replaces it.
	ID string
	// Source says where it is from; the ID where it is empty.
	Source string
	Format ingest.Format
	Text   []byte
	// Metadata of every passage of it; see [Record.Metadata].
	Metadata map[string]any
}

// passageIDs is the name space of the IDs that Put makes: a passage of a document
// always gets the same one.
var passageIDs = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://ragops.dev/passage"))

// Put splits a document, embeds its passages and writes them, and returns how
// many there are. What an older, longer version has left is removed last, so
// that a search at any moment finds the old or the new text and, after an error,
// putting it again sets all right.
func Put(ctx context.Context, w Writer, embedder embed.Embedder, d Document) (passages int, err error) {
	if d.ID == "" {
		return 0, errors.New("document id: must be set")
	}
	split, err := ingest.Split(d.Format, d.Text)
	if err != nil {
		return 0, fmt.Errorf("document text: %w", err)
	}
	if len(split) == 0 {
		return 0, errors.New("document text: holds no text")
	}
	records := d.records(split)
	for start := 0; start < len(records); start += embedBatch {
		end := min(start+embedBatch, len(records))
		texts := make([]string, 0, embedBatch)
		for _, p := range split[start:end] {
			texts = append(texts, p.EmbeddingText())
		}
		vectors, err := embed.Documents(embedder).Embed(ctx, texts)
		if err != nil {
			return 0, fmt.Errorf("embed the document: %w", err)
		}
		for i, v := range vectors {
			records[start+i].Vector = v
		}
	}
	for batch := range slices.Chunk(records, writeBatch) {
		if err := w.Upsert(ctx, batch); err != nil {
			return 0, fmt.Errorf("write the document: %w", err)
		}
	}
	leftOver := &Filter{Type: FilterAnd, Filters: []Filter{
		{Type: FilterEqual, Key: MetadataDocument, Value: d.ID},
		{Type: FilterGreaterOrEqual, Key: MetadataPassage, Value: float64(len(records))},
	}}
	if err := w.DeleteWhere(ctx, leftOver); err != nil {
		return 0, fmt.Errorf("remove what is left of an older version: %w", err)
	}
	return len(records), nil
}

// writeBatch is how many passages are written with one call: Pinecone's bound on
// a request (2 MB) holds at 3,072 dimensions and a kilobyte of text.
const writeBatch = 100

func (d Document) records(split []ingest.Passage) []Record {
	source := d.Source
	if source == "" {
		source = d.ID
	}
	records := make([]Record, len(split))
	for i, p := range split {
		metadata := maps.Clone(d.Metadata)
		if metadata == nil {
			metadata = map[string]any{}
		}
		metadata[MetadataDocument] = d.ID
		metadata[MetadataSource] = source
		metadata[MetadataPassage] = float64(i)
		if p.Heading != "" {
			metadata[MetadataHeading] = p.Heading
		}
		id := uuid.NewSHA1(passageIDs, []byte(d.ID+"\x00"+strconv.Itoa(i)))
		records[i] = Record{ID: id.String(), Text: p.Text, Metadata: metadata}
	}
	return records
}

// Remove removes documents by ID; an unknown ID is no error.
func Remove(ctx context.Context, w Writer, documentIDs []string) error {
	for batch := range slices.Chunk(documentIDs, maxFilterList) {
		list := make([]any, len(batch))
		for i, id := range batch {
			list[i] = id
		}
		filter := &Filter{Type: FilterIn, Key: MetadataDocument, Value: list}
		if err := w.DeleteWhere(ctx, filter); err != nil {
			return fmt.Errorf("remove documents: %w", err)
		}
	}
	return nil
}
