package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want string
	}{
		{name: "nothing", in: " \n", want: "f:2:1: not valid JSON: found the end of the file, expected a value (an object, array, string, number, true, false or null)"},
		{name: "bare placeholder", in: "{\n  \"command\": [\n    {{command}}\n  ]}", want: "f:3:5: not valid JSON: found the placeholder {{…, expected a value (an object, array, string, number, true, false or null) (put the placeholder in quotes, or render the template first)"},
		{name: "shell placeholder", in: `{"cpu": ${CPU}}`, want: "f:1:9: not valid JSON: found the placeholder ${…, expected a value (an object, array, string, number, true, false or null) (put the placeholder in quotes, or render the template first)"},
		{name: "Python", in: `{"essential": True}`, want: "f:1:15: not valid JSON: found True, expected a value (an object, array, string, number, true, false or null) (JSON writes true; this looks like Python)"},
		{name: "trailing comma in an object", in: `{"a": 1,}`, want: "f:1:9: not valid JSON: found '}', expected a member's name in double quotes (take out the comma before it)"},
		{name: "trailing comma in an array", in: `[1, ]`, want: "f:1:5: not valid JSON: found ']', expected a value (take out the comma before it)"},
		{name: "missing comma", in: "{\"a\": 1\n \"b\": 2}", want: "f:2:2: not valid JSON: found a string, expected a comma or } (a comma may be missing before it)"},
		{name: "comment", in: "{// cpu\n}", want: "f:1:2: not valid JSON: found a comment, expected a member's name in double quotes (JSON has no comments; take it out)"},
		{name: "column counts characters", in: `{"größe": x}`, want: `f:1:11: not valid JSON: found 'x', expected a value (an object, array, string, number, true, false or null)`},
		{name: "no end", in: `{"a": [1`, want: "f:1:9: not valid JSON: found the end of the file, expected a comma or ]"},
		{name: "string over a line's end", in: "{\"a\": \"b\n\"}", want: `f:1:9: not valid JSON: found a line break or control character inside a string, expected its escape, such as \n (a closing quote may be missing)`},
		{name: "a value without quotes is not shown", in: `{"KEY": hunter}`, want: `f:1:9: not valid JSON: found a word that starts with "h", expected a value (an object, array, string, number, true, false or null) (a string needs double quotes)`},
		{name: "number", in: `[01]`, want: "f:1:2: not valid JSON: found a malformed number, expected a number such as 512 or 0.5"},
		{name: "escape", in: `["\q"]`, want: `f:1:2: not valid JSON: found a string with a wrong escape, expected one of \" \\ \/ \b \f \n \r \t \uXXXX after a backslash`},
		{name: "a name twice", in: "{\"cpu\": 1,\n\"cpu\": 2}", want: `f:2:1: not valid JSON: found the name "cpu" again, expected each name once in an object (it is already set in line 1; take one of them out)`},
		{name: "UTF-16", in: "\xff\xfe{\x00", want: "f:1:1: not valid JSON: found text in UTF-16, expected text in UTF-8 (PowerShell's > writes UTF-16; use Out-File -Encoding utf8)"},
		{name: "too deep", in: strings.Repeat("[", 600), want: "f:1:514: not valid JSON: found one more level, expected at most 512 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f", []byte(tt.in))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("error is a %T, want a *SyntaxError", err)
			}
		})
	}
}

func TestLeavesAndPaths(t *testing.T) {
	roots, err := Parse("f", []byte("\xef\xbb\xbf"+`{"a": [1, {"b.c": null}, {}], "d": {"it's": true}, "e": []}  {"second": "x"}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, root := range roots {
		for leaf := range root.Leaves() {
			got = append(got, leaf.Path())
		}
	}
	want := []string{"$.a[0]", "$.a[1]['b.c']", "$.a[2]", `$.d['it\'s']`, "$.e", "$.second"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
}

func TestNodeReads(t *testing.T) {
	roots, err := Parse("f", []byte(`{"Cpu": "512", "cpu": 256, "MEMORY": 1024.0, "half": 0.5, "on": "True", "none": null, "list": ["a", 2]}`))
	if err != nil {
		t.Fatal(err)
	}
	root := roots[0]
	type read struct {
		Text     string
		Int      int
		Whole    bool
		True     bool
		Set      bool
		Children int
	}
	got := map[string]read{}
	for _, name := range []string{"cpu", "CPU", "memory", "half", "on", "none", "missing", "list"} {
		n := root.Get(name)
		value, whole := n.Int()
		got[name] = read{Text: n.Text(), Int: value, Whole: whole, True: n.True(), Set: n.IsSet(), Children: len(n.Children())}
	}
	want := map[string]read{
		"cpu":     {Text: "256", Int: 256, Whole: true, Set: true}, // the exact name wins
		"CPU":     {Text: "512", Int: 512, Whole: true, Set: true}, // else the first in another case
		"memory":  {Text: "1024.0", Int: 1024, Whole: true, Set: true},
		"half":    {Text: "0.5", Set: true},
		"on":      {Text: "True", True: true, Set: true},
		"none":    {},
		"missing": {},
		"list":    {Set: true, Children: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
}

// FuzzParse holds the parser against the standard library's: both must take and
// refuse the same texts, but for what this one refuses on purpose.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a": [1, -2.5e3, "\u00e9\n", true, null, {}]}`, `[{{x}}]`, `{"a":1}{"a":2}`, "\xef\xbb\xbf[]", `"\ud800"`, `{"a":1,"a":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		roots, err := Parse("f", data)
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		if wantErr := standardLibrary(data); err == nil && wantErr != nil {
			t.Fatalf("took what encoding/json refuses: %v", wantErr)
		}
		if err != nil && json.Valid(data) {
			syntax, ok := errors.AsType[*SyntaxError](err)
			if !ok || !strings.HasPrefix(syntax.Found, "the name ") && syntax.Found != "one more level" {
				t.Fatalf("refused what encoding/json takes: %v", err)
			}
		}
		seen := map[string]bool{}
		for _, root := range roots {
			clear(seen)
			for leaf := range root.Leaves() {
				if path := leaf.Path(); seen[path] {
					t.Fatalf("two leaves share the path %s", path)
				} else {
					seen[path] = true
				}
			}
		}
	})
}

// standardLibrary reads a stream of JSON values as encoding/json does.
func standardLibrary(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var v json.RawMessage
		switch err := decoder.Decode(&v); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
