// Package jsontree reads JSON into a tree that remembers where everything stood:
// line and column of each value, its path, and the order of members. It is for
// programs that must account for every value of a document somebody else wrote,
// where a struct would silently drop what it has no field for. It knows JSON and
// nothing of what the documents mean.
package jsontree

import (
	"encoding/json"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Kind is what a value is.
type Kind int

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// Node is one value of a document. All methods may be called on nil, which
// stands for a value that is not there: it has no members, no text, no leaves.
type Node struct {
	Kind   Kind
	Key    string // the member's name, where the parent is an object
	Index  int    // the position, where the parent is an array
	Parent *Node
	Line   int // from 1
	Column int // from 1, in characters

	text     string
	children []*Node
}

// Get returns the member called name, or else the one whose name differs from it
// only in case: the AWS tools accept both. It returns nil where there is none.
func (n *Node) Get(name string) *Node {
	if n == nil || n.Kind != Object {
		return nil
	}
	var folded *Node
	for _, child := range n.children {
		if child.Key == name {
			return child
		}
		if folded == nil && strings.EqualFold(child.Key, name) {
			folded = child
		}
	}
	return folded
}

// Find returns the value at the end of a path of member names.
func (n *Node) Find(names ...string) *Node {
	for _, name := range names {
		n = n.Get(name)
	}
	return n
}

// Children returns the members of an object or the items of an array, in the
// order in which they were written.
func (n *Node) Children() []*Node {
	if n == nil {
		return nil
	}
	return n.children
}

// Items returns the items of an array, and none for any other kind.
func (n *Node) Items() []*Node {
	if n == nil || n.Kind != Array {
		return nil
	}
	return n.children
}

// IsSet reports whether the value is there and not null.
func (n *Node) IsSet() bool { return n != nil && n.Kind != Null }

// IsLeaf reports whether the value holds no other: a scalar, null, {} or [].
func (n *Node) IsLeaf() bool { return n != nil && len(n.children) == 0 }

// Leaves yields every leaf at or below the value, in the order written.
func (n *Node) Leaves() iter.Seq[*Node] {
	return func(yield func(*Node) bool) { n.walk(yield) }
}

func (n *Node) walk(yield func(*Node) bool) bool {
	if n == nil {
		return true
	}
	if n.IsLeaf() {
		return yield(n)
	}
	for _, child := range n.children {
		if !child.walk(yield) {
			return false
		}
	}
	return true
}

// Text returns a string's value, or a number or boolean as it was written, and ""
// for every other kind.
func (n *Node) Text() string {
	if n == nil {
		return ""
	}
	return n.text
}

// Texts returns the text of each item of an array.
func (n *Node) Texts() []string {
	var texts []string
	for _, item := range n.Items() {
		texts = append(texts, item.Text())
	}
	return texts
}

// Float returns the number that the value is, or that it holds as a string.
func (n *Node) Float() (float64, bool) {
	if n == nil || n.Kind != Number && n.Kind != String {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(n.text), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, false
	}
	return f, true
}

// Int returns the whole number that the value is, or that it holds as a string;
// "5.0" is whole. Numbers beyond 32 bits are refused: nothing that is counted
// here gets that far, and what does is a mistake.
func (n *Node) Int() (int, bool) {
	f, ok := n.Float()
	if !ok || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return 0, false
	}
	return int(f), true
}

// True reports whether the value is true, or "true" in any case.
func (n *Node) True() bool {
	return n != nil && (n.Kind == Bool || n.Kind == String) && strings.EqualFold(n.text, "true")
}

// Path returns the JSON path from the root of the document, such as
// $.containerDefinitions[0].cpu. Names that are no identifiers are quoted, as
// RFC 9535 has it: $['a.b'].
func (n *Node) Path() string {
	if n == nil || n.Parent == nil {
		return "$"
	}
	if n.Parent.Kind == Array {
		return n.Parent.Path() + "[" + strconv.Itoa(n.Index) + "]"
	}
	if isIdentifier(n.Key) {
		return n.Parent.Path() + "." + n.Key
	}
	return n.Parent.Path() + "[" + quote(n.Key) + "]"
}

func isIdentifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// quote writes s between single quotes, with the escapes of JSON.
func quote(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return "''"
	}
	inner := strings.ReplaceAll(string(quoted[1:len(quoted)-1]), `\"`, `"`)
	return "'" + strings.ReplaceAll(inner, "'", `\'`) + "'"
}

// IsObject reports whether the value is there and an object.
func (n *Node) IsObject() bool { return n != nil && n.Kind == Object }
