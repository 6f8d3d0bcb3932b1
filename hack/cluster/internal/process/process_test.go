//go:build linux

package process

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	tests := []struct {
		name        string
		stat        string
		wantState   string
		wantStarted uint64
		wantError   bool
	}{
		{
			name:        "a plain name",
			stat:        "17 (etcd) S 1 17 17 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 9 0 4242 0 0\n",
			wantState:   "S",
			wantStarted: 4242,
		},
		{
			name:        "a name made to confuse",
			stat:        "17 (a) Z 1 (b) R 1 17 17 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 9 0 99 0 0\n",
			wantState:   "R",
			wantStarted: 99,
		},
		{name: "cut short", stat: "17 (etcd) S 1 17", wantError: true},
		{name: "empty", wantError: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			state, started, err := parseStat(test.stat)
			if (err != nil) != test.wantError {
				t.Fatalf("error is %v, want one: %t", err, test.wantError)
			}
			if state != test.wantState || started != test.wantStarted {
				t.Errorf("got %q %d, want %q %d", state, started, test.wantState, test.wantStarted)
			}
		})
	}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name   string
		script string
		grace  time.Duration
	}{
		{name: "one that ends when asked", script: "echo up; exec sleep 60", grace: 10 * time.Second},
		{name: "one that does not listen", script: "trap '' TERM; echo up; while :; do sleep 60; done", grace: 50 * time.Millisecond},
		{name: "without grace", script: "echo up; exec sleep 60"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			child := startScript(t, test.script)
			if !child.Running() {
				t.Fatal("the process does not run")
			}
			if err := child.Stop(test.grace); err != nil {
				t.Fatal(err)
			}
			<-child.Exited
			if child.Running() {
				t.Error("the process still runs")
			}
			if err := child.Stop(0); err != nil {
				t.Errorf("stopping it again: %v", err)
			}
		})
	}
}

// A recorded pid that now belongs to someone else must survive.
func TestStopSparesAReusedPID(t *testing.T) {
	child := startScript(t, "echo up; exec sleep 60")
	recorded := ID{PID: child.PID, Started: child.Started - 1}
	if recorded.Running() {
		t.Error("another start time counts as the same process")
	}
	if err := recorded.Stop(0); err != nil {
		t.Fatal(err)
	}
	if !child.Running() {
		t.Error("the process was ended by the record of another")
	}
}

func TestFindByEnvironment(t *testing.T) {
	child := startScript(t, "echo up; sleep 60 & wait")
	found, err := FindByEnvironment("CLUSTER=" + t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, id := range found {
			if err := id.Stop(0); err != nil {
				t.Error(err)
			}
		}
	})
	if !slices.Contains(found, child.ID) {
		t.Errorf("%v lacks the process itself", found)
	}
	longer, err := FindByEnvironment("CLUSTER=" + t.Name()[:4])
	if err != nil {
		t.Fatal(err)
	}
	if len(longer) != 0 {
		t.Errorf("a prefix of the value matches %v", longer)
	}
}

// startScript starts a shell script and waits until it has said something.
func startScript(t *testing.T, script string) *Child {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	fifo := log + ".up"
	if out, err := exec.Command("mkfifo", fifo).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	child, err := Start(shell, []string{"-c", "exec >" + fifo + "; " + script},
		[]string{"CLUSTER=" + t.Name(), "PATH=" + os.Getenv("PATH")}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := child.Stop(0); err != nil {
			t.Error(err)
		}
	})
	up, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if !bufio.NewScanner(up).Scan() {
		t.Fatal("the script ended before it was up")
	}
	return child
}
