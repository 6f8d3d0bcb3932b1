package provider

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ragops.dev/ragservice/hack/cluster/internal/kind"
	"ragops.dev/ragservice/hack/cluster/internal/node"
)

func TestCluster(t *testing.T) {
	tests := []struct {
		name      string
		provider  string
		docker    string // a stand-in for the docker command, that only `docker info` is asked of
		hasNode   bool
		want      Cluster
		wantError string
	}{
		{name: "kind where Docker runs", provider: Auto, docker: "exit 0", want: &kind.Cluster{}},
		{name: "the node where Docker does not run", provider: Auto, docker: "exit 1", want: &node.Node{}},
		{name: "the node where there is no Docker", provider: Auto, want: &node.Node{}},
		{name: "a node that is there stays in use", provider: Auto, docker: "exit 0", hasNode: true, want: &node.Node{}},
		{name: "kind as asked", provider: Kind, want: &kind.Cluster{}},
		{name: "the node as asked", provider: Node, docker: "exit 0", want: &node.Node{}},
		{name: "neither", provider: "k3s", wantError: `"k3s": it must be auto, kind or node`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path, dir := t.TempDir(), t.TempDir()
			t.Setenv("PATH", path)
			if test.docker != "" {
				write(t, filepath.Join(path, "docker"), "#!/bin/sh\n"+test.docker+"\n")
			}
			if test.hasNode {
				write(t, filepath.Join(dir, node.StateFile), "{}")
			}
			environment, err := NewEnvironment(Options{Dir: dir, Provider: test.provider})
			if err != nil {
				t.Fatal(err)
			}
			got, err := environment.Cluster(t.Context())
			if test.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantError) {
					t.Errorf("error is %v, want one with %q", err, test.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if reflect.TypeOf(got) != reflect.TypeOf(test.want) {
				t.Errorf("got a %T, want a %T", got, test.want)
			}
		})
	}
}

func TestNewEnvironmentOutsideACheckout(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := NewEnvironment(Options{Provider: Auto})
	if err == nil || !strings.Contains(err.Error(), "not inside a checkout") {
		t.Errorf("error is %v, want one that says what is wrong", err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}
