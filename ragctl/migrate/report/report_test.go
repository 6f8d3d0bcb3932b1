package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

// sample has an entry in each bucket, and text that would break out of tables and
// tags.
func sample() *ledger.Report {
	r := &ledger.Report{
		Entries: []ledger.Entry{
			{Source: "task.json", Line: 3, Path: "$.cpu", Bucket: ledger.Mapped, Target: "limits.cpu"},
			{Source: "task.json", Line: 4, Path: "$['a|b`c']", Bucket: ledger.Approximated, Target: "x", Note: "one | two\nthree"},
			{Source: "task.json", Line: 5, Path: "$.role", Bucket: ledger.Person, Note: "<script>alert(1)</script>", Step: ledger.StepIdentity},
			{Source: "task.json", Line: 6, Path: "$.arn", Bucket: ledger.Ignored, Note: "Read-only."},
			{Source: "task.json", Line: 7, Path: "$.new", Bucket: ledger.Unknown, Note: "?"},
		},
		Checklist: []ledger.Task{
			{Step: ledger.StepIdentity, Title: "Trust", Command: "line one\nline two", Leaves: []string{"task.json $.role"}},
			{Step: ledger.StepDNS, Title: "Records", Detail: "Slowly."},
		},
	}
	r.Summary.Workloads = []ledger.Workload{{Name: "support", Kind: "RAGService", Reason: "Because."}}
	r.Summary.Warnings = []string{"mind the gap"}
	r.Summary.Objects = []string{"RAGService/support"}
	r.Count()
	return r
}

func write(t *testing.T, format Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, sample()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarkdown(t *testing.T) {
	want := "# From ECS to Kubernetes: what became of every field\n\n" +
		"5 leaves: 1 mapped, 1 approximated, 1 for a person, 1 ignored, 1 unknown; 1 objects.\n\n" +
		"**RAGService support.** Because.\n\n> Warning: mind the gap\n\n" +
		"## Checklist, in the order of a cut-over\n\n### Identity\n\n- [ ] Trust\n  - `task.json $.role`\n\n  ```\n  line one\n  line two\n  ```\n\n" +
		"### DNS\n\n- [ ] Records\n  Slowly.\n\n"
	got := write(t, Markdown)
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
		t.Errorf("the start of the report (-want +got):\n%s", diff)
	}
	for _, row := range []string{
		"| task.json:4 | `` $['a\\|b`c'] `` | `x` | one \\| two three |",
		"| task.json:5 | `$.role` |  | &lt;script>alert(1)&lt;/script> |",
	} {
		if !strings.Contains(got, row+"\n") {
			t.Errorf("the report lacks the row\n%s\n%s", row, got)
		}
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Summary map[string]any      `json:"summary"`
		Entries []map[string]string `json:"entries"`
	}
	if err := json.Unmarshal([]byte(write(t, JSON)), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"source": "task.json", "path": "$.role", "bucket": "person", "target": "", "note": "<script>alert(1)</script>", "step": "identity"}
	if diff := cmp.Diff(want, got.Entries[2]); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if got.Summary["leaves"] != 5.0 || got.Summary["unknown"] != 1.0 {
		t.Errorf("summary: %v", got.Summary)
	}
}

func TestHTML(t *testing.T) {
	got := write(t, HTML)
	for _, want := range []string{
		`<tr data-bucket="unknown">`, `data-bucket="person" aria-pressed="true"`, "&lt;script&gt;alert(1)&lt;/script&gt;", "line one\nline two",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, unwanted := range []string{"<script>alert", "http://", "https://", "src="} {
		if strings.Contains(got, unwanted) {
			t.Errorf("the page holds %q: it must be one file that loads nothing", unwanted)
		}
	}
}

func TestFormatOf(t *testing.T) {
	tests := []struct {
		path    string
		want    Format
		wantErr string
	}{
		{path: "out/report.md", want: Markdown},
		{path: "REPORT.HTML", want: HTML},
		{path: "r.json", want: JSON},
		{path: "r.txt", wantErr: "r.txt: a report ends in .md, .json or .html"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			got, err := FormatOf(tt.path)
			if got != tt.want {
				t.Errorf("format %q, want %q", got, tt.want)
			}
			if message := errorText(err); message != tt.wantErr {
				t.Errorf("error %q, want %q", message, tt.wantErr)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
