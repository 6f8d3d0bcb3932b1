package jsontree

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep values may nest. Nothing that AWS prints comes near it;
// it keeps a hostile file from exhausting the stack.
const maxDepth = 512

// Parse reads the JSON values of a file: usually one, but the outputs of several
// commands may follow each other, as they do on standard input. name is for
// error messages, which are all of type *SyntaxError.
func Parse(name string, data []byte) ([]*Node, error) {
	p := &parser{file: name, data: data, line: 1, column: 1}
	if len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff) {
		return nil, p.fail("text in UTF-16", "text in UTF-8", "PowerShell's > writes UTF-16; use Out-File -Encoding utf8")
	}
	p.data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))

	var roots []*Node
	for {
		p.skipSpace()
		if p.atEnd() && len(roots) > 0 {
			return roots, nil
		}
		root, err := p.value(nil, 0)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
}

// parser reads values one after the other. Positions are counted as it goes.
type parser struct {
	file         string
	data         []byte
	at           int
	line, column int
}

func (p *parser) atEnd() bool { return p.at >= len(p.data) }

func (p *parser) peek() byte {
	if p.atEnd() {
		return 0
	}
	return p.data[p.at]
}

// advance moves n bytes on, all of them within the data.
func (p *parser) advance(n int) {
	for _, r := range string(p.data[p.at : p.at+n]) {
		p.column++
		if r == '\n' {
			p.line++
			p.column = 1
		}
	}
	p.at += n
}

func (p *parser) skipSpace() {
	for !p.atEnd() && strings.IndexByte(" \t\r\n", p.peek()) >= 0 {
		p.advance(1)
	}
}

func (p *parser) node(parent *Node, kind Kind) *Node {
	return &Node{Kind: kind, Parent: parent, Line: p.line, Column: p.column}
}

func (p *parser) value(parent *Node, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, p.fail("one more level", fmt.Sprintf("at most %d levels", maxDepth), "")
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(parent, depth)
	case c == '[':
		return p.array(parent, depth)
	case c == '"':
		node := p.node(parent, String)
		text, err := p.stringToken()
		node.text = text
		return node, err
	case c == '-' || '0' <= c && c <= '9':
		return p.number(parent)
	default:
		return p.keyword(parent)
	}
}

func (p *parser) object(parent *Node, depth int) (*Node, error) {
	node := p.node(parent, Object)
	seen := map[string]*Node{}
	p.advance(1)
	for {
		p.skipSpace()
		if p.peek() == '}' && len(node.children) == 0 {
			p.advance(1)
			return node, nil
		}
		child, err := p.member(node, depth, seen)
		if err != nil {
			return nil, err
		}
		node.children = append(node.children, child)
		if done, err := p.next('}'); done || err != nil {
			return node, err
		}
	}
}

func (p *parser) member(object *Node, depth int, seen map[string]*Node) (*Node, error) {
	if p.peek() == '{' && p.at > 0 && p.data[p.at-1] == '{' {
		return nil, &SyntaxError{File: p.file, Line: object.Line, Column: object.Column, Found: "the placeholder {{…",
			Expected: "a value (an object, array, string, number, true, false or null)", Hint: placeholderHint}
	}
	if p.peek() != '"' {
		hint := ""
		switch {
		case p.peek() == '}':
			hint = "take out the comma before it"
		case p.peek() == '\'':
			hint = "JSON quotes with \""
		}
		return nil, p.failHere("a member's name in double quotes", hint)
	}
	line, column := p.line, p.column
	key, err := p.stringToken()
	if err != nil {
		return nil, err
	}
	if first, ok := seen[key]; ok {
		return nil, &SyntaxError{File: p.file, Line: line, Column: column, Found: fmt.Sprintf("the name %q again", key),
			Expected: "each name once in an object", Hint: fmt.Sprintf("it is already set in line %d; take one of them out", first.Line)}
	}
	p.skipSpace()
	if p.peek() != ':' {
		return nil, p.failHere("a colon after the member's name", "")
	}
	p.advance(1)
	p.skipSpace()
	child, err := p.value(object, depth+1)
	if err != nil {
		return nil, err
	}
	child.Key = key
	seen[key] = child
	return child, nil
}

func (p *parser) array(parent *Node, depth int) (*Node, error) {
	node := p.node(parent, Array)
	p.advance(1)
	for {
		p.skipSpace()
		if p.peek() == ']' {
			if len(node.children) > 0 {
				return nil, p.failHere("a value", "take out the comma before it")
			}
			p.advance(1)
			return node, nil
		}
		child, err := p.value(node, depth+1)
		if err != nil {
			return nil, err
		}
		child.Index = len(node.children)
		node.children = append(node.children, child)
		if done, err := p.next(']'); done || err != nil {
			return node, err
		}
	}
}

// next reads the comma after a member or item, or the bracket that ends it all.
func (p *parser) next(closing byte) (done bool, err error) {
	p.skipSpace()
	switch p.peek() {
	case ',':
		p.advance(1)
		return false, nil
	case closing:
		p.advance(1)
		return true, nil
	}
	return false, p.failHere(fmt.Sprintf("a comma or %c", closing), "")
}

func (p *parser) stringToken() (string, error) {
	start := p.at
	for i := start + 1; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '\\':
			i++
		case c == '"':
			return p.decode(p.data[start : i+1])
		case c < 0x20:
			p.advance(i - start)
			return "", p.fail("a line break or control character inside a string", `its escape, such as \n`, "a closing quote may be missing")
		}
	}
	return "", p.fail("a string without an end", "a closing quote", "")
}

func (p *parser) decode(token []byte) (string, error) {
	var text string
	if err := json.Unmarshal(token, &text); err != nil {
		return "", p.fail("a string with a wrong escape", `one of \" \\ \/ \b \f \n \r \t \uXXXX after a backslash`, "")
	}
	p.advance(len(token))
	return text, nil
}

func (p *parser) number(parent *Node) (*Node, error) {
	end := p.at
	for end < len(p.data) && strings.IndexByte("+-.eE0123456789", p.data[end]) >= 0 {
		end++
	}
	token := p.data[p.at:end]
	if !json.Valid(token) {
		return nil, p.fail("a malformed number", "a number such as 512 or 0.5", "")
	}
	node := p.node(parent, Number)
	node.text = string(token)
	p.advance(len(token))
	return node, nil
}

var keywords = map[string]Kind{"true": Bool, "false": Bool, "null": Null}

func (p *parser) keyword(parent *Node) (*Node, error) {
	word := p.word()
	kind, ok := keywords[word]
	if !ok {
		return nil, p.failHere("a value (an object, array, string, number, true, false or null)", "")
	}
	node := p.node(parent, kind)
	if kind == Bool {
		node.text = word
	}
	p.advance(len(word))
	return node, nil
}

// word returns the letters ahead.
func (p *parser) word() string {
	end := p.at
	for end < len(p.data) && ('a' <= p.data[end]|0x20 && p.data[end]|0x20 <= 'z') {
		end++
	}
	return string(p.data[p.at:end])
}

// rune returns the character ahead.
func (p *parser) rune() rune {
	r, _ := utf8.DecodeRune(p.data[p.at:])
	return r
}
