//go:build linux

package node

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/hack/cluster/internal/binaries"
	"ragops.dev/ragservice/hack/cluster/internal/network"
)

// newNode has everything that is written before the first daemon starts.
func newNode(t *testing.T) *Node {
	t.Helper()
	n := &Node{Dir: t.TempDir(), Builder: &binaries.Builder{
		Modules: filepath.Join("..", "..", "binaries"),
		Cache:   t.TempDir(),
	}}
	if err := n.writeCertificates(); err != nil {
		t.Fatal(err)
	}
	if err := n.writeConfig(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Whatever a daemon is told to listen on must be out of reach from outside.
func TestDaemonsListenOnNoPublicAddress(t *testing.T) {
	n := newNode(t)
	daemons, err := n.daemons()
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b(/0)?`)
	for _, d := range daemons {
		t.Run(d.name, func(t *testing.T) {
			text := strings.Join(d.args, "\n")
			for _, file := range d.reads {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				text += string(content)
			}
			for _, found := range address.FindAllString(text, -1) {
				if found == "0.0.0.0/0" {
					continue // the pods' default route
				}
				ip, err := netip.ParseAddr(found)
				if err != nil {
					t.Fatal(err)
				}
				if !ip.IsLoopback() && !network.Range.Contains(ip) {
					t.Errorf("the address %s is neither loopback nor the cluster's", ip)
				}
			}
		})
	}
}

func TestDaemonsUseWhatIsIssued(t *testing.T) {
	n := newNode(t)
	daemons, err := n.daemons()
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile(regexp.QuoteMeta(n.Dir) + `/(?:pki|config)/[^\s",]+`)
	seen := 0
	for _, d := range daemons {
		text := strings.Join(d.args, "\n")
		for _, path := range d.reads {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text += "\n" + string(content)
		}
		for _, path := range file.FindAllString(text, -1) {
			seen++
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s is given %v", d.name, err)
			}
		}
	}
	if seen == 0 {
		t.Error("no daemon is given a file, so the pattern is wrong")
	}
}

func TestTemplates(t *testing.T) {
	n := newNode(t)
	settings, err := n.settings()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pattern := range []string{"templates", "manifests"} {
		entries, err := files.ReadDir(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, pattern+"/"+entry.Name())
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			content, err := render(name, settings)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(content), "<no value>") {
				t.Errorf("a value is missing in:\n%s", content)
			}
			switch filepath.Ext(name) {
			case ".conflist":
				if !json.Valid(content) {
					t.Errorf("not JSON:\n%s", content)
				}
			case ".yaml":
				for document := range strings.SplitSeq(string(content), "\n---\n") {
					var object map[string]any
					if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
						t.Errorf("%v in:\n%s", err, document)
					}
					if object["kind"] == nil {
						t.Errorf("no kind in:\n%s", document)
					}
				}
			}
		})
	}
}

func TestSpecFollowsWhatTheDaemonReads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spec := func(path string, args ...string) string {
		t.Helper()
		sum, err := daemon{args: args, reads: []string{file}}.spec(path)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	write("a: 1")
	first := spec("/bin/etcd", "--a")
	if spec("/bin/etcd", "--a") != first {
		t.Error("the same daemon has two specs")
	}
	if spec("/bin/etcd", "--b") == first || spec("/bin/etcd-2", "--a") == first {
		t.Error("another argument or program does not change the spec")
	}
	write("a: 2")
	if spec("/bin/etcd", "--a") == first {
		t.Error("a changed file does not change the spec")
	}
}

func TestWait(t *testing.T) {
	notYet := errors.New("connection refused")
	ended := make(chan struct{})
	close(ended)
	tests := []struct {
		name      string
		readyFrom time.Duration
		gone      <-chan struct{}
		wantError string
	}{
		{name: "ready at once"},
		{name: "ready after a while", readyFrom: 3 * time.Second},
		{name: "never ready: the last answer is told", readyFrom: time.Hour, wantError: "not ready after 10s: connection refused"},
		{name: "a daemon that ended is not waited for", readyFrom: time.Hour, gone: ended, wantError: "it ended by itself"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				err := wait(t.Context(), 10*time.Second, test.gone, func(context.Context) error {
					if time.Since(begin) < test.readyFrom {
						return notYet
					}
					return nil
				})
				if test.wantError == "" && err != nil || test.wantError != "" && (err == nil || err.Error() != test.wantError) {
					t.Errorf("error is %v, want %q", err, test.wantError)
				}
			})
		})
	}
}

func TestHasCondition(t *testing.T) {
	tests := []struct {
		name, object, wantError string
	}{
		{name: "true", object: `{"status":{"conditions":[{"type":"DiskPressure","status":"False"},{"type":"Ready","status":"True"}]}}`},
		{name: "false, with the reason", object: `{"status":{"conditions":[{"type":"Ready","status":"False","message":"no network"}]}}`, wantError: "Ready is False: no network"},
		{name: "not there yet", object: `{}`, wantError: "no condition Ready yet"},
		{name: "no object", object: `404`, wantError: "cannot unmarshal"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := hasCondition([]byte(test.object), "Ready")
			if test.wantError == "" && err != nil || test.wantError != "" && (err == nil || !strings.Contains(err.Error(), test.wantError)) {
				t.Errorf("error is %v, want %q", err, test.wantError)
			}
		})
	}
}

func TestMountsBelow(t *testing.T) {
	const mounts = `/dev/vda / ext4 rw 0 0
tmpfs /src/.cluster/kubelet/pods/a/volumes/token tmpfs rw 0 0
overlay /src/.cluster/run/containerd/x/rootfs overlay rw 0 0
tmpfs /src/.cluster/run/containerd/x/rootfs/tmp tmpfs rw 0 0
tmpfs /src/.cluster-of-another/a tmpfs rw 0 0
tmpfs /src/.cluster tmpfs rw 0 0
`
	want := []string{
		"/src/.cluster/run/containerd/x/rootfs/tmp",
		"/src/.cluster/run/containerd/x/rootfs",
		"/src/.cluster/kubelet/pods/a/volumes/token",
	}
	if diff := cmp.Diff(want, mountsBelow(mounts, "/src/.cluster")); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

func TestCheckDir(t *testing.T) {
	tests := []struct {
		name, dir, wantError string
	}{
		{name: "as usual", dir: "/home/someone/src/ragservice/.cluster"},
		{name: "too long for a socket", dir: "/" + strings.Repeat("a", 90), wantError: "bytes too long"},
		{name: "a space", dir: "/home/some one/.cluster", wantError: "characters"},
		{name: "a colon", dir: "/a:b", wantError: "characters"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := checkDir(test.dir)
			if test.wantError == "" && err != nil || test.wantError != "" && (err == nil || !strings.Contains(err.Error(), test.wantError)) {
				t.Errorf("error is %v, want %q", err, test.wantError)
			}
		})
	}
}

// A folder given by mistake must keep what is not the node's.
func TestRemoveState(t *testing.T) {
	n := &Node{Dir: t.TempDir()}
	for _, file := range []string{"etcd/member", "state.json", "logs/etcd.log", "lock", "thesis/chapter-1"} {
		path := n.path(file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.removeState(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(n.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	slices.Sort(left)
	if diff := cmp.Diff([]string{"lock", "logs", "thesis"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
