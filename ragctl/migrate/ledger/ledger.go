// Package ledger accounts for every leaf of a document: each is claimed once, for
// one bucket, and what nobody claims is unknown. It is what lets a conversion
// promise that it dropped nothing silently. It knows documents only as trees; what
// their fields mean is for the conversion to say.
package ledger

import (
	"fmt"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// Bucket is what became of a leaf.
type Bucket string

const (
	// Mapped leaves have an exact counterpart in the output.
	Mapped Bucket = "mapped"
	// Approximated leaves have a counterpart that differs; the note says how.
	Approximated Bucket = "approximated"
	// Person marks leaves that need a person; the note says what to do.
	Person Bucket = "person"
	// Ignored leaves carry nothing over: read-only output, defaults, and what
	// Kubernetes does in another way without being told.
	Ignored Bucket = "ignored"
	// Unknown leaves are of no field that the conversion knows.
	Unknown Bucket = "unknown"
)

// Buckets lists every bucket in the order in which reports show them.
var Buckets = []Bucket{Mapped, Approximated, Person, Ignored, Unknown}

// Disposition is what became of a leaf.
type Disposition struct {
	Bucket Bucket
	Target string // the object and field that carries it, where there is one
	Note   string // why, how it differs, or what to do
	Step   Step   // of the cut-over, for bucket Person
}

// Entry is one leaf in a report.
type Entry struct {
	Source string `json:"source"` // the file
	Path   string `json:"path"`   // the JSON path in it
	Bucket Bucket `json:"bucket"`
	Target string `json:"target"`
	Note   string `json:"note"`
	Step   Step   `json:"step,omitempty"`

	Line   int  `json:"-"`
	Nested bool `json:"-"` // of a document that stands as a string in another
}

// Ledger holds the documents and what was claimed of them.
type Ledger struct {
	documents []document
	claims    map[*jsontree.Node]Disposition
	known     map[*jsontree.Node]bool
	nested    map[*jsontree.Node]*jsontree.Node // root of a nested document, by the leaf that holds it
	conflicts []string
}

type document struct {
	source string
	root   *jsontree.Node
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{
		claims: map[*jsontree.Node]Disposition{},
		known:  map[*jsontree.Node]bool{},
		nested: map[*jsontree.Node]*jsontree.Node{},
	}
}

// Add takes a document in. source names it in the report.
func (l *Ledger) Add(source string, root *jsontree.Node) {
	l.documents = append(l.documents, document{source: source, root: root})
	l.know(root)
}

// AddNested takes in a document that stands as a string in a leaf of another. Its
// leaves are accounted for beside the leaf itself; their paths are the leaf's,
// a bar, and the path within.
func (l *Ledger) AddNested(leaf, root *jsontree.Node) {
	l.nested[leaf] = root
	l.know(root)
}

func (l *Ledger) know(root *jsontree.Node) {
	for leaf := range root.Leaves() {
		l.known[leaf] = true
	}
}

// Claim puts every leaf at or below node that nobody has claimed into a bucket.
// Claiming nil does nothing. Claiming a leaf again, by itself, is a mistake of the
// caller: the first claim stands, and Conflicts tells.
func (l *Ledger) Claim(node *jsontree.Node, d Disposition) {
	if node == nil {
		return
	}
	if node.IsLeaf() {
		if first, ok := l.claims[node]; ok {
			l.conflict("%s: claimed as %s, then as %s", node.Path(), first.Bucket, d.Bucket)
			return
		}
	}
	for leaf := range node.Leaves() {
		if _, ok := l.claims[leaf]; ok {
			continue
		}
		if !l.known[leaf] {
			l.conflict("%s: claimed, but of no document in the ledger", leaf.Path())
			continue
		}
		l.claims[leaf] = d
	}
}

// Claimed reports whether somebody has claimed the leaf.
func (l *Ledger) Claimed(leaf *jsontree.Node) bool {
	_, ok := l.claims[leaf]
	return ok
}

// Conflicts lists the claims that were mistakes of the program. A test that finds
// any fails.
func (l *Ledger) Conflicts() []string { return l.conflicts }

func (l *Ledger) conflict(format string, args ...any) {
	l.conflicts = append(l.conflicts, fmt.Sprintf(format, args...))
}

// Unclaimed calls handle for every leaf that nobody has claimed, in the order of
// the documents.
func (l *Ledger) Unclaimed(handle func(leaf *jsontree.Node)) {
	for _, doc := range l.documents {
		for leaf := range doc.root.Leaves() {
			if !l.Claimed(leaf) {
				handle(leaf)
			}
			if root, ok := l.nested[leaf]; ok {
				for inner := range root.Leaves() {
					if !l.Claimed(inner) {
						handle(inner)
					}
				}
			}
		}
	}
}

// Entries returns one entry per leaf, in the order of the documents. Leaves that
// nobody has claimed are unknown.
func (l *Ledger) Entries() []Entry {
	var entries []Entry
	for _, doc := range l.documents {
		for leaf := range doc.root.Leaves() {
			entries = append(entries, l.entry(doc.source, leaf.Path(), leaf))
			for inner := range l.nested[leaf].Leaves() {
				entry := l.entry(doc.source, leaf.Path()+"|"+inner.Path(), inner)
				entry.Nested, entry.Line = true, leaf.Line
				entries = append(entries, entry)
			}
		}
	}
	return entries
}

func (l *Ledger) entry(source, path string, leaf *jsontree.Node) Entry {
	d, ok := l.claims[leaf]
	if !ok {
		d = Disposition{Bucket: Unknown, Note: "No rule knows this field: check whether anything depends on it."}
	}
	return Entry{Source: source, Path: path, Bucket: d.Bucket, Target: d.Target, Note: d.Note, Step: d.Step, Line: leaf.Line}
}
