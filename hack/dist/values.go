package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// valuesSource is the one place that says which values there are.
const valuesSource = "values.schema.yaml"

// values are the chart's.
type values struct {
	schema *yaml.Node // of the whole, as JSON Schema
	json   []byte
}

// chartValues reads them and gives them the image of the release.
func chartValues(r release) (*values, error) {
	content, err := sources.ReadFile("chart/" + valuesSource)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", valuesSource, err)
	}
	v := &values{schema: document.Content[0]}
	image := member(member(member(v.schema, "properties"), "image"), "properties")
	for name, value := range map[string]string{"repository": r.image.repository, "tag": r.image.tag, "digest": r.image.digest} {
		property := member(image, name)
		if property == nil {
			return nil, fmt.Errorf("%s has no image.%s", valuesSource, name)
		}
		property.Content = append(property.Content, scalar("default"), scalar(value))
	}
	var whole any
	if err := v.schema.Decode(&whole); err != nil {
		return nil, fmt.Errorf("%s: %w", valuesSource, err)
	}
	v.json, err = json.MarshalIndent(whole, "", "  ")
	return v, err
}

// files are those that are made of the values.
func (v *values) files() map[string][]byte {
	var text strings.Builder
	fmt.Fprintln(&text, "# Made of the chart's schema. `helm show values` prints it.")
	writeValues(&text, v.schema, "")
	return map[string][]byte{
		"values.yaml":        []byte(text.String()),
		"values.schema.json": append(v.json, '\n'),
	}
}

// property is one member of an object in the schema.
type property struct {
	name        string
	schema      *yaml.Node
	description string
}

func properties(schema *yaml.Node) []property {
	all := member(schema, "properties")
	if all == nil {
		return nil
	}
	var list []property
	for i := 0; i < len(all.Content); i += 2 {
		p := property{name: all.Content[i].Value, schema: all.Content[i+1]}
		if description := member(p.schema, "description"); description != nil {
			p.description = description.Value
		}
		list = append(list, p)
	}
	return list
}

// writeValues writes the defaults, each below what it is for. What has neither a
// default nor members is left out.
func writeValues(text *strings.Builder, schema *yaml.Node, indent string) {
	for _, p := range properties(schema) {
		inner, value := properties(p.schema), member(p.schema, "default")
		if inner == nil && value == nil {
			continue
		}
		if indent == "" {
			fmt.Fprintln(text)
		}
		if p.description != "" {
			for _, line := range wrap(p.description, 100-len(indent)) {
				fmt.Fprintf(text, "%s# %s\n", indent, line)
			}
		}
		if inner != nil {
			fmt.Fprintf(text, "%s%s:\n", indent, p.name)
			writeValues(text, p.schema, indent+"  ")
			continue
		}
		fmt.Fprintf(text, "%s%s: %s\n", indent, p.name, flow(value))
	}
}

// table is the values as Markdown.
func (v *values) table() string {
	var text strings.Builder
	fmt.Fprint(&text, "| value | default | is |\n|---|---|---|\n")
	writeRows(&text, v.schema, "")
	return strings.TrimSuffix(text.String(), "\n")
}

func writeRows(text *strings.Builder, schema *yaml.Node, prefix string) {
	for _, p := range properties(schema) {
		value := member(p.schema, "default")
		switch {
		case properties(p.schema) != nil:
			writeRows(text, p.schema, prefix+p.name+".")
		case value != nil:
			fmt.Fprintf(text, "| `%s%s` | `%s` | %s |\n", prefix, p.name, flow(value), p.description)
		}
	}
}

// member is the value of a mapping's key, also of one that is merged in; nil where
// there is none.
func member(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind == yaml.AliasNode {
		mapping = mapping.Alias
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		switch mapping.Content[i].Value {
		case key:
			return mapping.Content[i+1]
		case "<<":
			merged = member(mapping.Content[i+1], key)
		}
	}
	return merged
}

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// flow writes a value on one line.
func flow(value *yaml.Node) string {
	one := *value
	one.Style = yaml.FlowStyle
	if one.Kind == yaml.ScalarNode {
		one.Style = 0
	}
	text, err := yaml.Marshal(&one)
	if err != nil {
		panic(err) // it was read from YAML
	}
	return strings.TrimSpace(string(text))
}

// wrap breaks text at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
