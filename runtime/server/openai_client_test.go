package server

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOfficialOpenAIClient asks with OpenAI's own client for Node, streaming and
// not. `make test` installs it as hack/openai-client/package-lock.json pins it.
func TestOfficialOpenAIClient(t *testing.T) {
	folder := filepath.Join("..", "..", "hack", "openai-client")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Skip("the client is not installed (npm ci --prefix hack/openai-client)")
	}
	r := serveParts(t, parts{cache: inMemory()})
	node := exec.CommandContext(t.Context(), "node", "client.mjs", r.url)
	node.Dir, node.Stderr = folder, os.Stderr
	out, err := node.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	answer := map[string]any{"text": "hello world", "finish": "stop", "usage": 5.0, "citations": 2.0}
	with := func(more map[string]any) map[string]any {
		all := map[string]any{}
		maps.Copy(all, answer)
		maps.Copy(all, more)
		return all
	}
	want := map[string]any{
		"model": "extractive", "retrieved": "extractive",
		"streamedMiss": with(map[string]any{"cache": "MISS"}),
		"streamedHit":  with(map[string]any{"cache": "HIT-L1"}),
		"whole":        with(map[string]any{"cache": "HIT-L1"}),
		"accumulated":  map[string]any{"text": "hello world", "finish": "stop"},
		"refused":      map[string]any{"name": "BadRequestError", "status": 400.0, "code": "invalid_request", "param": "n", "type": "invalid_request_error"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the client made of it (-want +got):\n%s", diff)
	}
}
