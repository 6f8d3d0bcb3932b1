package ecs

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/ragctl/migrate/ledger"
)

var update = flag.Bool("update", false, "write the golden files")

// fixtures lists the directories under testdata that hold one service each.
func fixtures(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() != "fuzz" {
			names = append(names, entry.Name())
		}
	}
	return names
}

// readFixture reads the JSON files of a fixture, in order of their names.
func readFixture(t testing.TB, name string) []File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", name, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("fixture %s has no files: %v", name, err)
	}
	var files []File
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{Name: filepath.Base(path), Data: data})
	}
	return files
}

// convertChecked converts, and fails the test where the conversion misused its own
// rules.
func convertChecked(t testing.TB, in Inputs) ([]*unstructured.Unstructured, *ledger.Report, error) {
	t.Helper()
	c := newConverter(in)
	if err := c.read(in.Files); err != nil {
		return nil, nil, err
	}
	objects, err := c.convert()
	if err != nil {
		return nil, nil, err
	}
	for _, conflict := range c.book.Conflicts() {
		t.Errorf("claimed twice: %s", conflict)
	}
	for _, misuse := range c.misuse {
		t.Errorf("against the rules: %s", misuse)
	}
	return objects, c.report(objects), nil
}

func toYAML(t testing.TB, objects []*unstructured.Unstructured) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, object := range objects {
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.Bytes()
}

// TestGolden holds the objects and the account of every fixture against what was
// reviewed. Run with -update after a change, and review the difference.
func TestGolden(t *testing.T) {
	for _, name := range fixtures(t) {
		for _, keep := range []bool{false, true} {
			variant := name
			if keep {
				variant += " keep-image"
			}
			t.Run(variant, func(t *testing.T) {
				if keep && name != "flask" && name != "fastapi" && name != "plaintext" {
					t.Skip("the image is kept anyhow")
				}
				in := Inputs{Files: readFixture(t, name), Options: Options{Namespace: "rag", KeepImage: keep}}
				objects, report, err := convertChecked(t, in)
				if err != nil {
					t.Fatal(err)
				}
				suffix := ""
				if keep {
					suffix = "-keep-image"
				}
				compareGolden(t, filepath.Join("testdata", name, "golden"+suffix+".yaml"), toYAML(t, objects))
				compareGolden(t, filepath.Join("testdata", name, "golden"+suffix+".report"), describe(report))
			})
		}
	}
}

// describe writes a report so that differences are easy to read.
func describe(report *ledger.Report) []byte {
	var b bytes.Buffer
	for _, w := range report.Summary.Workloads {
		fmt.Fprintf(&b, "%s %s: %s\n", w.Kind, w.Name, w.Reason)
	}
	for _, warning := range report.Summary.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	for _, e := range report.Entries {
		fmt.Fprintf(&b, "%-12s %s %s", e.Bucket, e.Source, e.Path)
		if e.Target != "" {
			fmt.Fprintf(&b, " -> %s", e.Target)
		}
		if e.Note != "" {
			fmt.Fprintf(&b, "  # %s", e.Note)
		}
		b.WriteByte('\n')
	}
	for _, task := range report.Checklist {
		fmt.Fprintf(&b, "[ ] %s: %s\n", task.Step, task.Title)
	}
	return b.Bytes()
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// leavesOf lists the JSON paths of all leaves of a stream of documents, found with
// encoding/json and not with the parser under test.
func leavesOf(t testing.TB, file File) []string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(file.Data, []byte("\xef\xbb\xbf"))))
	decoder.UseNumber()
	var paths []string
	for i := 1; ; i++ {
		var value any
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return paths
		}
		if err != nil {
			t.Fatal(err)
		}
		source := file.Name
		if i > 1 {
			source = fmt.Sprintf("%s#%d", file.Name, i)
		}
		collect(source+" $", value, &paths)
	}
}

func collect(path string, value any, paths *[]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			collect(path+"/"+key, member, paths)
		}
		if len(value) > 0 {
			return
		}
	case []any:
		for i, item := range value {
			collect(fmt.Sprintf("%s/%d", path, i), item, paths)
		}
		if len(value) > 0 {
			return
		}
	}
	*paths = append(*paths, path)
}

// plainPath turns a path of the report into the form that collect writes.
func plainPath(e ledger.Entry) string {
	path := e.Path
	var b strings.Builder
	for i := 1; i < len(path); {
		switch {
		case path[i] == '.':
			b.WriteByte('/')
			i++
		case strings.HasPrefix(path[i:], "['"):
			end := i + 2
			for path[end] != '\'' {
				if path[end] == '\\' {
					end++
				}
				end++
			}
			b.WriteString("/" + unquote(path[i+2:end]))
			i = end + 2
		case path[i] == '[':
			end := strings.IndexByte(path[i:], ']') + i
			b.WriteString("/" + path[i+1:end])
			i = end + 1
		default:
			b.WriteByte(path[i])
			i++
		}
	}
	return e.Source + " $" + b.String()
}

func unquote(text string) string {
	var decoded string
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\'`, `'`), `"`, `\"`)
	if err := json.Unmarshal([]byte(`"`+text+`"`), &decoded); err != nil {
		return text
	}
	return decoded
}

// checkAccount fails the test unless every leaf of the files is in the report exactly
// once, in a bucket that there is, and everything for a person has a step.
func checkAccount(t testing.TB, files []File, report *ledger.Report) {
	t.Helper()
	var want, got []string
	for _, file := range files {
		want = append(want, leavesOf(t, file)...)
	}
	for _, e := range report.Entries {
		if !e.Nested {
			got = append(got, plainPath(e))
		}
		if !slices.Contains(ledger.Buckets, e.Bucket) {
			t.Errorf("%s is in no bucket there is: %q", e.Path, e.Bucket)
		}
		if (e.Bucket == ledger.Person) != (e.Step != "") {
			t.Errorf("%s is in bucket %s with the step %q", e.Path, e.Bucket, e.Step)
		}
		if e.Bucket != ledger.Mapped && e.Note == "" {
			t.Errorf("%s is in bucket %s without a note", e.Path, e.Bucket)
		}
		if (e.Bucket == ledger.Mapped || e.Bucket == ledger.Approximated) && e.Target == "" && !strings.HasSuffix(e.Path, "disableNetworking") {
			t.Errorf("%s is in bucket %s without a target", e.Path, e.Bucket)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("leaves of the input and of the report (-input +report):\n%s", diff)
	}
	s := report.Summary
	if s.Leaves != len(report.Entries) || s.Leaves != s.Mapped+s.Approximated+s.Person+s.Ignored+s.Unknown {
		t.Errorf("the summary does not add up: %+v", s)
	}
}

// variants are the options every fixture is converted with.
var variants = []Options{
	{},
	{KeepImage: true},
	{Identity: PodIdentity, Secrets: SecretRefs},
	{SecurityGroupPolicy: true, Namespace: "elsewhere"},
}

func TestEveryLeafIsAccountedFor(t *testing.T) {
	for _, name := range fixtures(t) {
		for i, options := range variants {
			t.Run(fmt.Sprintf("%s %d", name, i), func(t *testing.T) {
				files := readFixture(t, name)
				_, report, err := convertChecked(t, Inputs{Files: files, Options: options})
				if err != nil {
					t.Fatal(err)
				}
				checkAccount(t, files, report)
			})
		}
	}
}

// TestUnknownLeaves lists what the rules do not know of the fixtures: only what was
// put there to be unknown.
func TestUnknownLeaves(t *testing.T) {
	var unknown []string
	for _, name := range fixtures(t) {
		_, report, err := convertChecked(t, Inputs{Files: readFixture(t, name)})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range report.Entries {
			if e.Bucket == ledger.Unknown {
				unknown = append(unknown, name+" "+e.Path)
			}
		}
	}
	want := []string{"plaintext $.futureField.nested[0]", "plaintext $.futureField.nested[1].deep"}
	if diff := cmp.Diff(want, unknown); diff != "" {
		t.Errorf("unknown leaves (-want +got):\n%s", diff)
	}
}

// TestNoSecretLeaves looks for the values of all secrets in everything that comes
// out. Each of them has hunter2 or AWS's example key in it.
func TestNoSecretLeaves(t *testing.T) {
	canaries := []string{"hunter2", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtn"}
	for _, name := range fixtures(t) {
		for i, options := range variants {
			t.Run(fmt.Sprintf("%s %d", name, i), func(t *testing.T) {
				objects, report, err := convertChecked(t, Inputs{Files: readFixture(t, name), Options: options})
				if err != nil {
					t.Fatal(err)
				}
				account, err := json.Marshal(report)
				if err != nil {
					t.Fatal(err)
				}
				for _, canary := range canaries {
					for what, output := range map[string][]byte{"objects": toYAML(t, objects), "report": account} {
						if at := bytes.Index(output, []byte(canary)); at >= 0 {
							t.Errorf("the %s hold a secret: …%s…", what, output[max(0, at-80):min(len(output), at+40)])
						}
					}
				}
			})
		}
	}
}

// TestDeterministic converts twice and wants the same bytes.
func TestDeterministic(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			var outputs [2][]byte
			for i := range outputs {
				objects, report, err := convertChecked(t, Inputs{Files: readFixture(t, name)})
				if err != nil {
					t.Fatal(err)
				}
				outputs[i] = append(toYAML(t, objects), describe(report)...)
			}
			if !bytes.Equal(outputs[0], outputs[1]) {
				t.Error("two conversions of the same input differ")
			}
		})
	}
}
