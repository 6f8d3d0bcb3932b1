package ecs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// arguments returns the words of a command as Kubernetes takes them: what it would
// expand and ECS did not is escaped, and what looks like a secret is read from a
// Secret instead. It claims the leaves that hold such a secret.
func (w *workload) arguments(ctr *container, node *jsontree.Node, words []string) []string {
	result := make([]string, 0, len(words))
	for i, word := range words {
		previous := ""
		if i > 0 {
			previous = words[i-1]
		}
		result = append(result, w.argument(ctr, node, previous, word))
	}
	return result
}

func (w *workload) argument(ctr *container, node *jsontree.Node, previous, word string) string {
	original := word
	var variables []string
	for range 8 { // secrets in one word; more are not meant
		name, value, secret := secretWord(previous, word)
		if !secret {
			break
		}
		variable := fmt.Sprintf("SECRET_ARGUMENT_%d", len(ctr.spec.Env)+1)
		ref := w.secrets.fill(ctr.name+"."+variable, "the argument "+name+" of the container "+ctr.name+", which stood in the task definition in plain text")
		ctr.spec.Env = append(ctr.spec.Env, secretEnv(variable, ref.Name, ref.Key))
		variables = append(variables, variable)
		word = strings.Replace(word, value, "\x00"+strconv.Itoa(len(variables)-1)+"\x00", 1)
	}
	if len(variables) > 0 {
		for _, item := range node.Items() {
			if item.Text() == original && !w.book.Claimed(item) {
				w.claim(item, ledger.Person, w.podField("containers["+ctr.name+"]"), "Looks like a secret in plain text: not copied, read from a Secret instead. Change it.", ledger.StepSecrets)
			}
		}
	}
	word = escapeReferences(word)
	for i, variable := range variables {
		word = strings.Replace(word, "\x00"+strconv.Itoa(i)+"\x00", "$("+variable+")", 1)
	}
	return word
}

func escapeReferences(text string) string { return strings.ReplaceAll(text, "$(", "$$(") }

var flagWithValue = regexp.MustCompile(`^--?([A-Za-z][\w.-]*)=(.+)$`)

// secretWord reports whether a word of a command line looks like a secret, such as
// the value of --password.
func secretWord(previous, word string) (name, value string, secret bool) {
	if parts := flagWithValue.FindStringSubmatch(word); parts != nil {
		return parts[1], parts[2], !isReference(parts[2]) && looksSecret(strings.ReplaceAll(parts[1], "-", "_"), parts[2])
	}
	flag := strings.TrimLeft(previous, "-")
	if flag != previous && !isReference(word) && !strings.HasPrefix(word, "-") && !strings.ContainsAny(flag, " =") && looksSecret(strings.ReplaceAll(flag, "-", "_"), word) {
		return flag, word, true
	}
	if inline := inlineSecret.FindStringSubmatch(word); inline != nil && looksSecret(inline[1], inline[2]) {
		return inline[1], inline[2], true
	}
	return "", word, looksSecret("", word) && !strings.ContainsAny(word, " \t\n")
}

// inlineSecret is an assignment or flag inside a script.
var inlineSecret = regexp.MustCompile(`(?i)\b([\w-]*(?:password|passwd|secret|token|api[_-]?key)[\w-]*)[= ]['"]?([^\s'"$\x00]+)`)

// isReference reports whether a word refers to a value instead of being one.
func isReference(word string) bool {
	return strings.HasPrefix(word, "$") || strings.HasPrefix(word, "\x00")
}
