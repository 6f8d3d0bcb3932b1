package generate

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentences splits Markdown prose. Line breaks within a paragraph are blanks;
// list items, table rows and lines of code end a sentence; headings and the
// fences of code are left out.
func sentences(text string) []string {
	var all []string
	var paragraph []string
	flush := func() {
		all = append(all, split(strings.Join(paragraph, " "))...)
		paragraph = nil
	}
	code := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			flush()
			code = !code
		case line == "" || strings.HasPrefix(line, "#") && !code:
			flush()
		case code || strings.HasPrefix(line, "|"):
			flush()
			all = append(all, line)
		case listItem(line):
			flush()
			paragraph = append(paragraph, line)
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return all
}

// listItem reports whether the line begins with "- ", "* " or a number as in
// "12. ".
func listItem(line string) bool {
	rest := strings.TrimLeftFunc(line, unicode.IsDigit)
	if rest != line {
		return strings.HasPrefix(rest, ". ") || strings.HasPrefix(rest, ") ")
	}
	return strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "* ")
}

// split cuts a paragraph behind each full stop, question or exclamation mark
// that is followed by a blank and no lower-case letter.
func split(paragraph string) []string {
	var all []string
	start := 0
	for i, r := range paragraph {
		if !strings.ContainsRune(".!?", r) || !endsSentence(paragraph[start:i], paragraph[i+1:]) {
			continue
		}
		all = append(all, strings.TrimSpace(paragraph[start:i+1]))
		start = i + 1
	}
	if rest := strings.TrimSpace(paragraph[start:]); rest != "" {
		all = append(all, rest)
	}
	return all
}

func endsSentence(before, after string) bool {
	if !strings.HasPrefix(after, " ") || strings.TrimFunc(before, unicode.IsDigit) == "" {
		return false // within a word, or the number of a list item
	}
	next, _ := utf8.DecodeRuneInString(strings.TrimSpace(after))
	return next != utf8.RuneError && !unicode.IsLower(next)
}
