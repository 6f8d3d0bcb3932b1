//go:build linux

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckCapabilities(t *testing.T) {
	tests := []struct {
		name       string
		status     string
		wantErrors []string
	}{
		{name: "all", status: "Name:\tx\nCapEff:\t000001ffffffffff\n"},
		{name: "all but CAP_SYS_RESOURCE, which a node can do without", status: "CapEff:\t000001fffeffffff\n"},
		{
			name:       "those of an ordinary container",
			status:     "CapEff:\t00000000a80425fb\n",
			wantErrors: []string{"CAP_SYS_ADMIN", "CAP_NET_ADMIN"},
		},
		{name: "not a number", status: "CapEff:\tnone\n", wantErrors: []string{"capabilities"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := checkCapabilities(test.status)
			if (err != nil) != (len(test.wantErrors) > 0) {
				t.Fatalf("error is %v, want %q", err, test.wantErrors)
			}
			for _, want := range test.wantErrors {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %s", err, want)
				}
			}
		})
	}
}

func TestCheckCgroups(t *testing.T) {
	tests := []struct {
		name      string
		unified   string
		mounted   []string
		wantError string
	}{
		{name: "version 2", unified: "cpuset cpu io memory pids\n"},
		{name: "version 2 without memory", unified: "cpuset cpu pids\n", wantError: "memory are off"},
		{name: "version 1", mounted: []string{"cpu", "cpuset", "memory", "pids"}},
		{name: "version 1 without pids", mounted: []string{"cpu", "cpuset", "memory"}, wantError: "pids is not mounted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			if test.unified != "" {
				if err := os.WriteFile(filepath.Join(root, "cgroup.controllers"), []byte(test.unified), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, controller := range test.mounted {
				if err := os.Mkdir(filepath.Join(root, controller), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			err := checkCgroups(root)
			if test.wantError == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.wantError) {
				t.Errorf("error is %v, want one with %q", err, test.wantError)
			}
		})
	}
}

func TestAbsent(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := os.WriteFile(filepath.Join(dir, "present-program"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	got := absent([]Package{
		{Name: "program", Program: "present-program"},
		{Name: "no-program", Program: "absent-program"},
		{Name: "file", File: filepath.Join(dir, "present-*")},
		{Name: "no-file", File: filepath.Join(dir, "absent")},
	})
	if diff := cmp.Diff([]string{"no-program", "no-file"}, got); diff != "" {
		t.Errorf("absent packages (-want +got):\n%s", diff)
	}
}
