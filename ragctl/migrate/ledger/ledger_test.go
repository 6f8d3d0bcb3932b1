package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ragops.dev/ragservice/ragctl/migrate/jsontree"
)

func parse(t *testing.T, text string) *jsontree.Node {
	t.Helper()
	roots, err := jsontree.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return roots[0]
}

func TestEntries(t *testing.T) {
	root := parse(t, `{"cpu": "512", "tags": [{"key": "a", "value": "b"}], "body": "{}", "new": {}}`)
	inner := parse(t, `{"widgets": [1, 2]}`)
	l := New()
	l.Add("task.json", root)
	l.AddNested(root.Get("body"), inner)

	l.Claim(root.Get("cpu"), Disposition{Bucket: Mapped, Target: "limits.cpu"})
	l.Claim(root.Get("tags").Items()[0].Get("key"), Disposition{Bucket: Ignored})
	l.Claim(root.Get("tags"), Disposition{Bucket: Person, Step: StepPrepare}) // only what is left of them
	l.Claim(root.Get("body"), Disposition{Bucket: Approximated})
	l.Claim(inner.Get("widgets").Items()[0], Disposition{Bucket: Mapped})
	l.Claim(root.Get("missing"), Disposition{Bucket: Mapped})

	unknown := "No rule knows this field: check whether anything depends on it."
	want := []Entry{
		{Source: "task.json", Path: "$.cpu", Bucket: Mapped, Target: "limits.cpu", Line: 1},
		{Source: "task.json", Path: "$.tags[0].key", Bucket: Ignored, Line: 1},
		{Source: "task.json", Path: "$.tags[0].value", Bucket: Person, Step: StepPrepare, Line: 1},
		{Source: "task.json", Path: "$.body", Bucket: Approximated, Line: 1},
		{Source: "task.json", Path: "$.body|$.widgets[0]", Bucket: Mapped, Line: 1, Nested: true},
		{Source: "task.json", Path: "$.body|$.widgets[1]", Bucket: Unknown, Note: unknown, Line: 1, Nested: true},
		{Source: "task.json", Path: "$.new", Bucket: Unknown, Note: unknown, Line: 1},
	}
	if diff := cmp.Diff(want, l.Entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if conflicts := l.Conflicts(); len(conflicts) > 0 {
		t.Errorf("conflicts: %v", conflicts)
	}

	var unclaimed []string
	l.Unclaimed(func(leaf *jsontree.Node) { unclaimed = append(unclaimed, leaf.Path()) })
	if diff := cmp.Diff([]string{"$.widgets[1]", "$.new"}, unclaimed); diff != "" {
		t.Errorf("unclaimed (-want +got):\n%s", diff)
	}
}

func TestConflicts(t *testing.T) {
	root := parse(t, `{"cpu": "512"}`)
	l := New()
	l.Add("task.json", root)
	l.Claim(root.Get("cpu"), Disposition{Bucket: Mapped})
	l.Claim(root.Get("cpu"), Disposition{Bucket: Ignored})
	l.Claim(parse(t, `1`), Disposition{Bucket: Ignored})

	want := []string{"$.cpu: claimed as mapped, then as ignored", "$: claimed, but of no document in the ledger"}
	if diff := cmp.Diff(want, l.Conflicts()); diff != "" {
		t.Errorf("conflicts (-want +got):\n%s", diff)
	}
	if got := l.Entries()[0].Bucket; got != Mapped {
		t.Errorf("the leaf is %s, want the first claim to stand", got)
	}
}
