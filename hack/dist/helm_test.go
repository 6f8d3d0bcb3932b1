package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/kyaml/kio"
)

var update = flag.Bool("update", false, "write the golden files")

const repository = "../.."

// helm is the command, and chart the folder of the chart as it is made now.
var helm, chart string

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := prepare(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepare(run func() int) (code int, err error) {
	helm, err = filepath.Abs(filepath.Join(repository, "bin", "tools", "helm"))
	if err != nil {
		return 1, err
	}
	built := exec.CommandContext(context.Background(), "make", "--no-print-directory", "-C", repository, helm)
	built.Stdout, built.Stderr = os.Stderr, os.Stderr
	if err := built.Run(); err != nil {
		return 1, fmt.Errorf("build helm: %w", err)
	}
	out, err := os.MkdirTemp("", "dist")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	if err := runIn(out); err != nil {
		return 1, err
	}
	chart = filepath.Join(out, "chart")
	return run(), nil
}

func runIn(out string, more ...string) error {
	return run(append([]string{"--repository", repository, "--out", out}, more...))
}

// helmDoes runs helm, away from the user's own configuration.
func helmDoes(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), helm, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("helm %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

func render(t *testing.T, args ...string) string {
	t.Helper()
	output, err := helmDoes(t, append([]string{"template", "ragservice", chart, "--namespace", "ragservice-system"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// TestChartIsTheManifest renders the chart and builds the kustomization that says the
// same: they have the same objects, but for what Helm adds.
func TestChartIsTheManifest(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		folder string
	}{
		{"by default", nil, "config/default"},
		{"with the metrics API", []string{"metricsAPI.enabled=true"}, "config/default-with-metrics-api"},
		{"in one namespace", []string{"watchNamespaces={team-a}"}, "config/namespaced"},
		{"with all there is", []string{"metricsAPI.enabled=true", "monitoring.serviceMonitor.enabled=true", "monitoring.dashboard.enabled=true"}, "hack/dist/everything"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resources, err := build(repository, tt.folder)
			if err != nil {
				t.Fatal(err)
			}
			manifest, err := resources.AsYaml()
			if err != nil {
				t.Fatal(err)
			}
			var args []string
			for _, value := range tt.values {
				args = append(args, "--set", value)
			}
			want, got := decode(t, string(manifest)), decode(t, render(t, args...))
			for id := range leftOut {
				if _, ok := want[id]; !ok {
					t.Errorf("%s is left out of the chart, and not in the manifest", id)
				}
				delete(want, id)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, and the chart with %v (-kustomize +helm):\n%s", tt.folder, tt.values, diff)
			}
		})
	}
}

// decode reads objects by kind and name, without what only Helm writes.
func decode(t *testing.T, manifest string) map[string]any {
	t.Helper()
	nodes, err := (&kio.ByteReader{Reader: strings.NewReader(manifest), OmitReaderAnnotations: true}).Read()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, node := range nodes {
		object, err := node.Map()
		if err != nil {
			t.Fatal(err)
		}
		metadata := object["metadata"].(map[string]any)
		prune(metadata, "labels", "helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version")
		prune(metadata, "annotations", "helm.sh/resource-policy")
		id := node.GetKind() + "/" + node.GetName()
		if all[id] != nil {
			t.Errorf("%s is there twice", id)
		}
		all[id] = object
	}
	return all
}

func prune(metadata map[string]any, field string, keys ...string) {
	entries, _ := metadata[field].(map[string]any)
	for _, key := range keys {
		delete(entries, key)
	}
}

// valuesFiles are the settings that golden files show.
func valuesFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	return files
}

func TestGolden(t *testing.T) {
	for _, file := range valuesFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := withoutRole(render(t, "--values", file))
			path := filepath.Join("testdata", "golden", filepath.Base(file))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got; go test . -update writes it):\n%s", diff)
			}
		})
	}
}

// withoutRole leaves out what the operator may do: values change nothing of it, and
// TestChartIsTheManifest compares it.
func withoutRole(manifest string) string {
	documents := strings.SplitAfter(manifest, "\n---\n")
	return strings.Join(slices.DeleteFunc(documents, func(document string) bool {
		return strings.Contains(document, "\nkind: ClusterRole\n") && strings.Contains(document, "\n  name: ragservice-operator\n")
	}), "")
}

func TestLint(t *testing.T) {
	for _, file := range append(valuesFiles(t), "") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			args := []string{"lint", "--strict", chart}
			if file != "" {
				args = append(args, "--values", file)
			}
			if _, err := helmDoes(t, args...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWrongValues checks that a mistake in the values is told, and where it is.
func TestWrongValues(t *testing.T) {
	tests := []struct {
		name  string
		value string
		want  []string
	}{
		{"a value there is not", "replica=3", []string{"additional properties 'replica' not allowed"}},
		{"a value there is not, further down", "metricsAPI.enable=true", []string{"/metricsAPI", "additional properties 'enable' not allowed"}},
		{"no replica", "replicas=0", []string{"/replicas", "minimum: got 0, want 1"}},
		{"no namespace's name", "watchNamespaces={Team_A}", []string{"/watchNamespaces/0", "'Team_A' does not match pattern"}},
		{"half a digest", "image.digest=sha256:12", []string{"/image/digest", "'sha256:12' does not match pattern"}},
		{"a pull policy there is not", "image.pullPolicy=Sometimes", []string{"/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"}},
		{"no flag", "extraArgs={concurrency=16}", []string{"/extraArgs/0", "does not match pattern '^--'"}},
		{"neither tag nor digest", "image.tag=", []string{"image.tag or image.digest must be set"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := helmDoes(t, "template", chart, "--set", tt.value)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v\nwant %q in it", err, want)
				}
			}
		})
	}
}

// TestNotes reads what helm says after an installation.
func TestNotes(t *testing.T) {
	tests := []struct {
		values string
		want   []string
	}{
		{"replicas=2", []string{"works in all namespaces", "get ragservices --all-namespaces"}},
		{"watchNamespaces={team-a,team-b}", []string{"works in the namespaces team-a, team-b", "get ragservices --namespace team-a"}},
		{"metricsAPI.enabled=true", []string{"kubectl get apiservice v1beta2.custom.metrics.k8s.io"}},
		{"monitoring.serviceMonitor.enabled=true", []string{"ragservice-operator-metrics-reader"}},
		{"crds.keep=false", []string{"CAUTION"}},
	}
	for _, tt := range tests {
		t.Run(tt.values, func(t *testing.T) {
			notes, err := helmDoes(t, "install", "ragservice", chart, "--dry-run=client", "--set", tt.values, "--set", "crds.install=false")
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				if !strings.Contains(notes, want) {
					t.Errorf("no %q in\n%s", want, notes)
				}
			}
		})
	}
}
