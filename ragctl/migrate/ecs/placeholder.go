package ecs

import (
	"regexp"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

// placeholders are the tokens that templates leave in a document.
var placeholders = regexp.MustCompile(`<[A-Za-z][A-Za-z0-9 _.-]*>|\$\{[^}]*\}|\{\{[^}]*\}\}|\bX{8,}\b|\bx{8,}\b`)

// isPlaceholder reports whether text holds a token that something was to replace.
func isPlaceholder(text string) bool { return placeholders.MatchString(text) }

// shellFields hold scripts, in which ${X} is the shell's.
var shellFields = regexp.MustCompile(`(?i)\.(command|entryPoint)\[\d+\]$`)

func holdsPlaceholder(leaf *jsontree.Node) bool {
	if leaf.Kind != jsontree.String || !isPlaceholder(leaf.Text()) {
		return false
	}
	if shellFields.MatchString(leaf.Path()) {
		return isPlaceholder(shellVariable.ReplaceAllString(leaf.Text(), ""))
	}
	return true
}

var shellVariable = regexp.MustCompile(`\$\{[^}]*\}`)
