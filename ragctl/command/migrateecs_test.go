package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const tinyTask = `{"family": "echo", "containerDefinitions": [{"name": "echo", "image": "echo:1", "cpu": 128}]}`

func TestMigrateECS(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	task := write("task.json", tinyTask)
	broken := write("broken.json", "{\n  \"cpu\": {{cpu}}\n}")
	template := write("template.json", `{"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition"}}}`)
	compose := write("compose.json", "services:\n  web:\n    image: x\n")
	scaling := write("scaling.json", `{"ScalableTargets": []}`)
	unknown := write("unknown.json", `{"family": "echo", "surprise": 1, "containerDefinitions": [{"name": "echo", "image": "echo:1"}]}`)
	withEnv := write("env.json", `{"family": "echo", "containerDefinitions": [{"name": "echo", "image": "echo:1", "environmentFiles": [{"value": "arn:aws:s3:::b/a=b.env", "type": "s3"}]}]}`)
	envFile := write("prod.env", "# comment\nGREETING=hello\nDB_PASSWORD=hunter2\n")
	write("folder/a.json", tinyTask)
	write("folder/notes.txt", "not read")
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name      string
		args      []string
		in        string
		want      int
		wantOut   string
		wantErr   string
		unwantOut string
	}{
		{name: "YAML", args: []string{"-f", task}, wantOut: "kind: Deployment\n", wantErr: "4 leaves: "},
		{name: "JSON", args: []string{"-f", task, "-o", "json"}, wantOut: `"kind": "List"`},
		{name: "standard input", args: []string{"-f", "-", "-n", "rag"}, in: tinyTask, wantOut: "namespace: rag\n"},
		{name: "folder", args: []string{"-f", filepath.Join(dir, "folder")}, wantOut: "image: echo:1"},
		{name: "environment file", args: []string{"-f", withEnv, "--env-file", "arn:aws:s3:::b/a=b.env=" + envFile}, wantOut: "value: hello", unwantOut: "hunter2"},
		{name: "no file", want: ExitUsage, wantErr: "give at least one file with -f"},
		{name: "an argument", args: []string{task}, want: ExitUsage, wantErr: "unknown command"},
		{name: "wrong choice", args: []string{"-f", task, "--identity", "keys"}, want: ExitUsage, wantErr: `--identity is "keys", and must be irsa or pod-identity`},
		{name: "wrong report", args: []string{"-f", task, "--report", "r.pdf"}, want: ExitUsage, wantErr: "a report ends in .md, .json or .html"},
		{name: "wrong environment file", args: []string{"-f", task, "--env-file", "x"}, want: ExitUsage, wantErr: "must be ARN=PATH"},
		{name: "missing file", args: []string{"-f", filepath.Join(dir, "nope.json")}, want: ExitFailed, wantErr: "no such file"},
		{name: "empty folder", args: []string{"-f", empty}, want: ExitFailed, wantErr: "no .json files in this folder"},
		{name: "not JSON", args: []string{"-f", broken}, want: ExitFailed, wantErr: "broken.json:2:10: not valid JSON: found the placeholder {{…"},
		{name: "CloudFormation", args: []string{"-f", template}, want: ExitFailed, wantErr: "template.json:1:1: this is a CloudFormation template"},
		{name: "Compose", args: []string{"-f", compose}, want: ExitFailed, wantErr: "this is a Compose file"},
		{name: "twice", args: []string{"-f", task, "-f", task}, want: ExitFailed, wantErr: "given twice"},
		{name: "nothing to run", args: []string{"-f", scaling}, want: ExitFailed, wantErr: "warning: no task definition among the inputs"},
		{name: "threshold kept", args: []string{"-f", task, "--fail-on", "person"}, wantOut: "kind: Deployment"},
		{name: "threshold missed", args: []string{"-f", unknown, "--fail-on", "person"}, want: ExitThreshold, wantErr: "--fail-on person: 1 fields", wantOut: "kind: Deployment"},
		{name: "approximated", args: []string{"-f", task, "--fail-on", "approximated"}, want: ExitThreshold, wantErr: "--fail-on approximated: 1 fields"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			args := append([]string{"ragctl", "migrate", "ecs"}, tt.args...)
			got := Run(t.Context(), args, Streams{In: strings.NewReader(tt.in), Out: &out, Err: &errOut})
			if got != tt.want {
				t.Errorf("exit code %d, want %d; stderr: %s", got, tt.want, errOut.String())
			}
			if !strings.Contains(out.String(), tt.wantOut) {
				t.Errorf("standard output does not hold %q:\n%s", tt.wantOut, out.String())
			}
			if !strings.Contains(errOut.String(), tt.wantErr) {
				t.Errorf("standard error does not hold %q:\n%s", tt.wantErr, errOut.String())
			}
			if tt.unwantOut != "" && strings.Contains(out.String()+errOut.String(), tt.unwantOut) {
				t.Errorf("the output holds %q:\n%s", tt.unwantOut, out.String())
			}
		})
	}
}

func TestMigrateECSFiles(t *testing.T) {
	dir := t.TempDir()
	reports := []string{"report.md", "report.json", "report.html"}
	args := []string{"ragctl", "migrate", "ecs", "-f", "-", "--output-dir", filepath.Join(dir, "deploy")}
	for _, name := range reports {
		args = append(args, "--report", filepath.Join(dir, name))
	}
	var out, errOut bytes.Buffer
	if code := Run(t.Context(), args, Streams{In: strings.NewReader(tinyTask), Out: &out, Err: &errOut}); code != ExitDone {
		t.Fatalf("exit code %d: %s", code, errOut.String())
	}
	if out.Len() > 0 {
		t.Errorf("standard output is not empty:\n%s", out.String())
	}
	for _, name := range reports {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	kustomization, err := os.ReadFile(filepath.Join(dir, "deploy", "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- serviceaccount-echo.yaml\n- deployment-echo.yaml\n"
	if diff := cmp.Diff(want, string(kustomization)); diff != "" {
		t.Errorf("kustomization.yaml (-want +got):\n%s", diff)
	}
	for _, name := range []string{"serviceaccount-echo.yaml", "deployment-echo.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, "deploy", name)); err != nil {
			t.Error(err)
		}
	}
}
