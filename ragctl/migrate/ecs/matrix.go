package ecs

import (
	"fmt"
	"strings"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// Matrix writes the conversion matrix, in Markdown: every field that has a rule,
// every setting that is recognised, every metric that is translated. It is made of
// the tables that the conversion itself runs on, and of nothing else.
func Matrix() string {
	var b strings.Builder
	b.WriteString(matrixIntroduction)
	for _, k := range kinds {
		fmt.Fprintf(&b, "## Fields: %s\n\n| Field | Becomes | Bucket | Mind |\n|---|---|---|---|\n", k)
		for _, r := range rulesOf[k] {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.path, orDash(r.target), bucketList(r), orDash(r.note))
		}
		b.WriteByte('\n')
	}
	b.WriteString("## Settings of a RAG service\n\nVariables of `environment`, `secrets` and environment files that the conversion understands. The name decides, in any case.\n\n| Variables | Becomes | Otherwise |\n|---|---|---|\n")
	for _, setting := range ragSettings {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(setting.names, " ", "` `"), orDash(setting.target), otherwise(setting))
	}
	b.WriteString("\n## Metrics\n\nWhat alarms and dashboards are translated by. Metrics of the query runtime exist only where the service became a RAGService.\n\n| CloudWatch | PromQL | Mind |\n|---|---|---|\n")
	for _, m := range metricMappings {
		note := m.note
		if m.runtimeOnly {
			note = strings.TrimSpace("Only of a RAGService. " + note)
		}
		fmt.Fprintf(&b, "| %s %s | `%s` | %s |\n", m.namespace, m.name, strings.ReplaceAll(m.expression, "|", `\|`), orDash(note))
	}
	return b.String()
}

const matrixIntroduction = `# Conversion matrix

What becomes of every field that ` + "`ragctl migrate ecs`" + ` knows. This page is generated from the
conversion's own tables (` + "`go test ./ragctl/migrate/ecs -run TestMatrix -update`" + `), so it says what the
code does. A field that is not here is reported as unknown.

The first bucket is the usual one; the others depend on the value or on the output. Targets are
those of a Deployment that keeps the image; where the service becomes a RAGService, the same
settings end in its spec. ` + "`*`" + ` stands for any member, ` + "`**`" + ` for everything below.

`

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

func bucketList(r rule) string {
	var names []string
	for _, bucket := range r.buckets {
		names = append(names, string(bucket))
	}
	return strings.Join(names, ", ")
}

func otherwise(setting ragSetting) string {
	if setting.bucket == ledger.Person {
		return strings.TrimSpace("a person. " + setting.note)
	}
	return strings.TrimSpace(string(setting.bucket) + ". " + setting.note)
}
