package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	const digest = "sha256:0123"
	tests := []struct {
		in      string
		want    reference
		wantErr string
	}{
		{in: "ragservice-operator:dev", want: reference{repository: "ragservice-operator", tag: "dev"}},
		{in: "registry.example.com:5000/a/b:1.2.3", want: reference{repository: "registry.example.com:5000/a/b", tag: "1.2.3"}},
		{in: "a/b@" + digest, want: reference{repository: "a/b", digest: digest}},
		{in: "a/b:1@" + digest, want: reference{repository: "a/b", tag: "1", digest: digest}},
		{in: "registry.example.com:5000/a/b", wantErr: "neither tag nor digest"},
		{in: "a/b:", wantErr: "empty tag"},
		{in: "a/b@md5:1", wantErr: "of the form sha256:HEX"},
		{in: ":1", wantErr: "names no image"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := parseReference(tt.in)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error %v, want %q in it", err, tt.wantErr)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestChartVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3":                  "1.2.3",
		"1.2.3-rc.1":              "1.2.3-rc.1",
		"dev":                     "0.0.0-dev",
		"main/feature":            "0.0.0-main-feature",
		"v0.1.0-4-gabcdef0-dirty": "0.1.0-4-gabcdef0-dirty",
		"v1.2":                    "0.0.0-1-2",
		"release.of.today":        "0.0.0-release-of-today",
		"0a1b2c3":                 "0.0.0-g0a1b2c3",
		"0123456":                 "0.0.0-g0123456",
	} {
		if got := chartVersion(version); got != want {
			t.Errorf("%s becomes %s, want %s", version, got, want)
		}
	}
}

// TestRelease makes a release with an image of its own: it is the only image in the
// manifest and the chart's default.
func TestRelease(t *testing.T) {
	out := t.TempDir()
	const image = "registry.example.com:5000/team/operator:v1.2.3"
	if err := runIn(out, "--version", "v1.2.3", "--image", image); err != nil {
		t.Fatal(err)
	}
	manifest := read(t, out, "install.yaml")
	if n := strings.Count(manifest, "image: "+image+"\n"); n != 1 {
		t.Errorf("the manifest names the image %d times, want once", n)
	}
	if strings.Contains(manifest, operatorImage+":dev") {
		t.Error("the manifest still names the image of a checkout")
	}
	for file, wants := range map[string][]string{
		"chart/Chart.yaml":  {`version: "1.2.3"`, `appVersion: "v1.2.3"`},
		"chart/values.yaml": {"repository: registry.example.com:5000/team/operator\n", "tag: v1.2.3\n"},
		"chart/README.md":   {"| `image.tag` | `v1.2.3` |"},
	} {
		content := read(t, out, file)
		for _, want := range wants {
			if !strings.Contains(content, want) {
				t.Errorf("%s has no %q:\n%s", file, want, content)
			}
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{{"--image", "operator"}, {"more"}, {"--repository", t.TempDir()}} {
		if err := runIn(t.TempDir(), args...); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// TestStrayEdit checks that an edit whose text is not there is an error, so that no
// value is lost when config/ changes.
func TestStrayEdit(t *testing.T) {
	made := template{objects: []string{"Service/a"}, edits: []edit{{"port: 1\n", "port: {{ .Values.port }}\n"}}}
	for text, want := range map[string]string{"port: 2\n": "0 times", "port: 1\nport: 1\n": "2 times"} {
		if _, err := made.render(map[string]string{"Service/a": text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if _, err := made.render(map[string]string{}); err == nil || !strings.Contains(err.Error(), "config/ has no Service/a") {
		t.Errorf("without the object: %v", err)
	}
	got, err := made.render(map[string]string{"Service/a": "text: '{{ not a template }}'\nport: 1\n"})
	if want := `text: '{{ "{{" }} not a template }}'` + "\nport: {{ .Values.port }}\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestDefinitionFitsAnAnnotation keeps the definition below what a plain `kubectl
// apply` can remember of it.
func TestDefinitionFitsAnAnnotation(t *testing.T) {
	resources, err := build(repository, "config", "crd")
	if err != nil {
		t.Fatal(err)
	}
	const limit = 256 << 10
	for _, r := range resources.Resources() {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if t.Logf("%s: %d bytes", r.GetName(), len(data)); len(data) > limit {
			t.Errorf("%s has %d bytes, and an annotation may have %d", r.GetName(), len(data), limit)
		}
	}
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
