package ingest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// markdown renders GitHub's Markdown. HTML within Markdown is let through: it is
// only read for its text.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.GFM),
	goldmark.WithRendererOptions(goldmarkhtml.WithUnsafe()),
)

// markdownBlocks goes by way of HTML, so that there is one reader of structure.
func markdownBlocks(document []byte) ([]block, error) {
	var page bytes.Buffer
	if err := markdown.Convert(withoutFrontMatter(document), &page); err != nil {
		return nil, fmt.Errorf("read Markdown: %w", err)
	}
	return htmlBlocks(page.Bytes())
}

// withoutFrontMatter drops the YAML block that site generators read, between two
// lines of three dashes at the very beginning.
func withoutFrontMatter(document []byte) []byte {
	rest, ok := bytes.CutPrefix(document, []byte("---\n"))
	if !ok {
		return document
	}
	if _, after, ok := bytes.Cut(rest, []byte("\n---\n")); ok {
		return after
	}
	return document
}

// maxNesting bounds how deep elements are followed; what lies deeper is left
// out. Browsers stop at 512 too.
const maxNesting = 512

func htmlBlocks(document []byte) ([]block, error) {
	root, err := html.Parse(bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("read HTML: %w", err)
	}
	var r htmlReader
	r.node(root, 0)
	r.flush()
	return r.blocks, nil
}

// htmlReader collects text until a block ends.
type htmlReader struct {
	blocks   []block
	headings [6]string // the open heading of each level
	text     strings.Builder
	pre      bool
	tight    bool
	marker   string // what the next block starts with, such as a list's dash
}

// flush ends the block that is being read.
func (r *htmlReader) flush() {
	text := r.text.String()
	r.text.Reset()
	if r.pre {
		text = strings.Trim(text, "\n")
	} else {
		text = strings.Join(strings.Fields(text), " ")
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	r.blocks = append(r.blocks, block{heading: r.heading(), text: r.marker + text, tight: r.tight})
	r.marker = ""
}

func (r *htmlReader) heading() string {
	var open []string
	for _, h := range r.headings {
		if h != "" {
			open = append(open, h)
		}
	}
	return strings.Join(open, " > ")
}

func (r *htmlReader) children(n *html.Node, depth int) {
	for child := range n.ChildNodes() {
		r.node(child, depth+1)
	}
}

func (r *htmlReader) node(n *html.Node, depth int) {
	if depth > maxNesting {
		return
	}
	switch n.Type {
	case html.TextNode:
		r.text.WriteString(n.Data)
	case html.ElementNode:
		r.element(n, depth)
	case html.DocumentNode:
		r.children(n, depth)
	}
}

func (r *htmlReader) element(n *html.Node, depth int) {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Head, atom.Nav, atom.Footer,
		atom.Svg, atom.Form, atom.Button, atom.Iframe:
		// Not what the document says.
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		r.flush()
		level := int(n.Data[1] - '1')
		clear(r.headings[level:])
		r.headings[level] = textOf(n)
	case atom.Pre:
		r.flush()
		r.pre = true
		r.children(n, depth)
		r.flush()
		r.pre = false
	case atom.Li:
		r.flush()
		r.marker, r.tight = "- ", true
		r.children(n, depth)
		r.flush()
		r.marker, r.tight = "", false
	case atom.Tr:
		r.flush()
		r.tight = true
		r.row(n)
		r.flush()
		r.tight = false
	case atom.Br:
		r.text.WriteByte('\n')
	case atom.Img:
		r.text.WriteString(attribute(n, "alt"))
	case atom.Article, atom.Aside, atom.Blockquote, atom.Body, atom.Dd, atom.Div, atom.Dl, atom.Dt, atom.Figcaption,
		atom.Figure, atom.Header, atom.Hr, atom.Html, atom.Main, atom.Ol, atom.P, atom.Section, atom.Table,
		atom.Tbody, atom.Tfoot, atom.Thead, atom.Ul, atom.Details, atom.Summary, atom.Address:
		r.flush()
		r.children(n, depth)
		r.flush()
	default: // inline
		r.children(n, depth)
	}
}

// row writes the cells of a table's row on one line.
func (r *htmlReader) row(tr *html.Node) {
	var cells []string
	for cell := range tr.ChildNodes() {
		if cell.DataAtom == atom.Td || cell.DataAtom == atom.Th {
			cells = append(cells, textOf(cell))
		}
	}
	r.text.WriteString(strings.Join(cells, " | "))
}

// textOf is all text within a node, on one line.
func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode:
			b.WriteString(d.Data)
		case d.DataAtom == atom.Br || d.DataAtom == atom.P || d.DataAtom == atom.Li:
			b.WriteByte(' ')
		case d.DataAtom == atom.Img:
			b.WriteString(attribute(d, "alt"))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
