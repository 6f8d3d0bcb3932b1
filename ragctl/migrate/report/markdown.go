package report

import (
	"fmt"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// shownOrder is that of the buckets in Markdown: what wants attention comes first.
var shownOrder = []ledger.Bucket{ledger.Person, ledger.Unknown, ledger.Approximated, ledger.Mapped, ledger.Ignored}

func markdown(r *ledger.Report) string {
	var b strings.Builder
	b.WriteString("# From ECS to Kubernetes: what became of every field\n\n")
	fmt.Fprintf(&b, "%s.\n\n", Line(r))
	for _, w := range r.Summary.Workloads {
		fmt.Fprintf(&b, "**%s %s.** %s\n\n", w.Kind, w.Name, w.Reason)
	}
	for _, warning := range r.Summary.Warnings {
		fmt.Fprintf(&b, "> Warning: %s\n\n", warning)
	}
	markdownChecklist(&b, r.Checklist)
	for _, bucket := range shownOrder {
		entries := inBucket(r, bucket)
		if len(entries) == 0 {
			continue
		}
		fmt.Fprintf(&b, "## %s (%d)\n\n%s\n\n| Source | Path | Target | Note |\n|---|---|---|---|\n", titles[bucket], len(entries), meanings[bucket])
		for _, e := range entries {
			fmt.Fprintf(&b, "| %s:%d | %s | %s | %s |\n", cell(e.Source), e.Line, code(e.Path), code(e.Target), cell(e.Note))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func markdownChecklist(b *strings.Builder, tasks []ledger.Task) {
	if len(tasks) == 0 {
		return
	}
	b.WriteString("## Checklist, in the order of a cut-over\n\n")
	step := ledger.Step("")
	for _, task := range tasks {
		if task.Step != step {
			step = task.Step
			fmt.Fprintf(b, "### %s\n\n", strings.ToUpper(string(step[:1]))+string(step[1:]))
		}
		fmt.Fprintf(b, "- [ ] %s\n", task.Title)
		if task.Detail != "" {
			fmt.Fprintf(b, "  %s\n", task.Detail)
		}
		for _, leaf := range task.Leaves {
			fmt.Fprintf(b, "  - %s\n", code(leaf))
		}
		if task.Command != "" {
			fmt.Fprintf(b, "\n  ```\n  %s\n  ```\n", strings.ReplaceAll(task.Command, "\n", "\n  "))
		}
		b.WriteByte('\n')
	}
}

// cell writes text so that it can't break out of a table's cell, nor become HTML.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ", "<", "&lt;", "\x00", "").Replace(text)
}

// code writes text as code in a table's cell.
func code(text string) string {
	if text == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	text = strings.NewReplacer("|", `\|`, "\n", " ", "\r", " ").Replace(text)
	if len(fence) > 1 {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}
