package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// plugin is a folder with the command line, and with the names by which kubectl finds
// it: what make install-ragctl puts on the PATH.
func plugin(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "ragctl"), "./cmd/ragctl")
	build.Dir = filepath.Join("..", "..")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build ragctl: %v\n%s", err, output)
	}
	for _, name := range []string{"kubectl-rag", "kubectl_complete-rag"} {
		if err := os.Symlink("ragctl", filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// rag runs kubectl with the plugin.
func rag(ctx context.Context, folder string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, cluster.kubectl, args...)
	cmd.Env = append(os.Environ(), "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, words.String())
	}
	return out.String(), words.String(), err
}

// sampleAnswersOnTheCommandLine asks as a person does: kubectl rag leads through a
// port-forward to a ready pod, the answer is on standard output, and what it is made
// from on standard error.
func sampleAnswersOnTheCommandLine(t *testing.T) {
	folder := plugin(t)
	in := func(args ...string) []string { return append(args, "--namespace", sampleNamespace) }
	t.Run("query", func(t *testing.T) {
		const fresh = "How does the operator repair what somebody deletes?"
		answer, words, err := rag(t.Context(), folder, in("rag", "query", sampleName, fresh)...)
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(answer) == "" || strings.Contains(answer, "X-Cache") {
			t.Errorf("standard output is %q, want the answer and nothing else", answer)
		}
		for _, want := range []string{`(?m)^Sources\n  \[1\] \S+\.md \(\d\.\d\d\)$`, `(?m)^X-Cache: MISS, first words after \S+, all after \S+$`} {
			if !regexp.MustCompile(want).MatchString(words) {
				t.Errorf("standard error has no %s:\n%s", want, words)
			}
		}
		// The same pod is asked: a port-forward leads to the oldest that is ready.
		eventually(t, 30*time.Second, "the cache answers", func(ctx context.Context) error {
			again, words, err := rag(ctx, folder, in("rag", "query", sampleName, fresh)...)
			if err == nil && (again != answer || !strings.Contains(words, "X-Cache: HIT-L1, ")) {
				err = fmt.Errorf("asked again, the answer is %q with %q, want the same from HIT-L1", again, words)
			}
			return err
		})
	})
	t.Run("query as data", func(t *testing.T) {
		output, words, err := rag(t.Context(), folder, in("rag", "query", sampleName, question, "--no-cache", "--output=json")...)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Answer  string            `json:"answer"`
			Cache   string            `json:"cache"`
			Sources []json.RawMessage `json:"sources"`
		}
		if err := json.Unmarshal([]byte(output), &answer); err != nil || answer.Answer == "" || answer.Cache != "MISS" || len(answer.Sources) == 0 {
			t.Errorf("%v; the output is %s, want an answer made anew with its sources; standard error: %s", err, output, words)
		}
	})
	t.Run("status", func(t *testing.T) {
		output, _, err := rag(t.Context(), folder, in("rag", "status", sampleName)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`(?m)^RAGService ` + sampleNamespace + "/" + sampleName + ` is ready$`,
			`(?m)^  Ready +True +Succeeded +answers at http://`,
			`(?m)^  Deployment/` + sampleName + ` +\d/\d ready$`,
			`(?m)^    ReplicaSet/` + sampleName + `-\S+ +\d/\d ready$`,
			`(?m)^      Pod/` + sampleName + `-\S+ +Ready$`,
			`(?m)^  HorizontalPodAutoscaler/` + sampleName + ` `,
		} {
			if !regexp.MustCompile(want).MatchString(output) {
				t.Errorf("the status has no %s:\n%s", want, output)
			}
		}
	})
	t.Run("completion", func(t *testing.T) {
		output, _, err := rag(t.Context(), folder, "__complete", "rag", "status", "--namespace", sampleNamespace, "")
		if err != nil {
			t.Fatal(err)
		}
		if offered, _, _ := strings.Cut(output, "\n"); !strings.HasPrefix(offered, sampleName) {
			t.Errorf("kubectl offers %q, want %s first", output, sampleName)
		}
	})
	t.Run("a service that is not there", func(t *testing.T) {
		_, words, err := rag(t.Context(), folder, in("rag", "query", "nobody", question)...)
		if err == nil || !strings.Contains(words, `"nobody" not found`) {
			t.Errorf("got %v and %q, want it said that nobody is not found", err, words)
		}
	})
}
