package command

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRenderSamples compares what the operator would make of each sample with its
// golden file.
func TestRenderSamples(t *testing.T) {
	for _, file := range []string{"embedded/ragservice.yaml", "openai.yaml", "embedding.yaml", "production.yaml"} {
		t.Run(file, func(t *testing.T) {
			code, got, errOut := ragctl(t, "", "render", "-f", filepath.Join("..", "..", "config", "samples", file), "--runtime-image", "ragservice-runtime:v1")
			if code != ExitDone {
				t.Fatalf("exit code %d: %s", code, errOut)
			}
			golden := filepath.Join("testdata", "render", strings.ReplaceAll(file, "/", "-"))
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the children differ from %s (-want +got); -update writes it anew:\n%s", golden, diff)
			}
		})
	}
}

const (
	small = `apiVersion: rag.ragops.dev/v1alpha1
kind: RAGService
metadata: {name: NAME}
spec:
  model: {extractive: {}}
  embedding: {lexical: {}}
  vectorStore: {http: {url: "http://vectors:8000/query"}}
`
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: docs}\n"
)

// TestRender reads streams from standard input.
func TestRender(t *testing.T) {
	named := func(name string) string { return strings.Replace(small, "NAME", name, 1) }
	tests := []struct {
		name             string
		in               string
		args             []string
		want             int
		wantOut, wantErr string
	}{
		{name: "two services and another object", in: "# a comment\n---\n" + named("a") + "---\n" + configMap + "---\n" + named("b"), wantOut: "\n  name: b\n  namespace: default\n", wantErr: "-: passed over ConfigMap/docs\n"},
		{name: "into a namespace", in: named("a"), args: []string{"-n", "rag"}, wantOut: "\n  name: a\n  namespace: rag\n"},
		{name: "as JSON", in: named("a"), args: []string{"-o", "json"}, wantOut: `"kind": "List"`},
		{name: "no file", args: []string{"--filename="}, want: ExitFailed, wantErr: "open : no such file"},
		{name: "nothing to read", want: ExitFailed, wantErr: "-: holds no RAGService"},
		{name: "no RAGService in it", in: configMap, want: ExitFailed, wantErr: "-: holds no RAGService"},
		{name: "no YAML", in: "{", want: ExitFailed, wantErr: "-: document 1: is no object: "},
		{name: "no object", in: "- a\n", want: ExitFailed, wantErr: "-: document 1: is no object: "},
		{name: "no kind", in: "spec: {}\n", want: ExitFailed, wantErr: "-: document 1: has no apiVersion and no kind"},
		{name: "another version", in: strings.Replace(named("a"), "v1alpha1", "v9", 1), want: ExitFailed, wantErr: "-: document 1: RAGService a: is rag.ragops.dev/v9 RAGService, and must be rag.ragops.dev/v1alpha1 RAGService"},
		{
			name: "each mistake of each document", in: named("a") + "  mdl: {}\n---\n" + named("b") + "  scaling: {minReplicas: 5, maxReplicas: 2}\n", want: ExitFailed,
			wantErr: "error: -: document 1: RAGService a: unknown fields: spec.mdl\ndocument 2: RAGService b: spec.scaling: Invalid value: minReplicas must not be greater than maxReplicas",
		},
		{name: "what only the operator refuses", in: named("a") + "  cache: {local: {maxSize: 9Gi}}\n", want: ExitFailed, wantErr: "RAGService a: spec.cache.local.maxSize: is 9Gi, more than three quarters of"},
		{name: "an output there is not", in: named("a"), args: []string{"-o", "xml"}, want: ExitUsage, wantErr: `--output is "xml", and must be yaml or json`},
		{name: "an argument", in: named("a"), args: []string{"file.yaml"}, want: ExitUsage, wantErr: `unknown command "file.yaml"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errOut := ragctl(t, tt.in, append([]string{"render", "-f", "-"}, tt.args...)...)
			if code != tt.want || !strings.Contains(out, tt.wantOut) || !strings.Contains(errOut, tt.wantErr) {
				t.Errorf("exit code %d, want %d; standard output:\n%s\nwant in it %q; standard error:\n%s\nwant in it %q",
					code, tt.want, out, tt.wantOut, errOut, tt.wantErr)
			}
			if tt.want != ExitDone && out != "" {
				t.Errorf("it failed, and printed all the same:\n%s", out)
			}
		})
	}
	if code, _, errOut := ragctl(t, "", "render"); code != ExitUsage || !strings.Contains(errOut, "-f must name a file") {
		t.Errorf("without a file: exit code %d, want 2: %s", code, errOut)
	}
}
