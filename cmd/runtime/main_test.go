package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// asProgram makes this test binary the program: the tests here start it as a
// process of its own, to send it signals.
const asProgram = "RAGSERVICE_TEST_RUN_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// patience is ample for a busy machine.
const patience = 30 * time.Second

// process is the program at work.
type process struct {
	cmd        *exec.Cmd
	url, admin string
	ended      chan struct{}
	err        error // of Wait

	mu     sync.Mutex
	stderr strings.Builder // complete when ended is closed
}

// said returns what the program has written to stderr until now.
func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// start runs the program with a configuration until the test ends.
func start(t *testing.T, config string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "--config", config)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan [2]string, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			fmt.Fprintln(&p.stderr, lines.Text())
			p.mu.Unlock()
			var l struct{ Msg, Queries, Admin string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
				ready <- [2]string{"http://" + l.Queries, "http://" + l.Admin}
			}
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.said())
		}
	})
	select {
	case addresses := <-ready:
		p.url, p.admin = addresses[0], addresses[1]
	case <-p.ended:
		t.Fatalf("the program ended: %v", p.err)
	case <-time.After(patience):
		t.Fatal("the program is not ready")
	}
	return p
}

// write makes the configuration file, or replaces it as the kubelet does.
func write(t *testing.T, path, content string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// configure writes a configuration with the model, and what more it is to hold.
func configure(t *testing.T, model, server, more string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "redis.md"), "# Redis\n\nRedis is only a cache.\n")
	path := filepath.Join(dir, "config.yaml")
	write(t, path, fmt.Sprintf(`version: ragservice/v1
server: {queryAddress: "127.0.0.1:0", adminAddress: "127.0.0.1:0", %s}
model: %s
embedding: {lexical: {}}
vectorStore: {memory: {documents: ['%s']}}
%s`, server, model, filepath.Join(dir, "redis.md"), more))
	return path
}

// slowModel is a server of OpenAI's API that says one word and waits with the next.
type slowModel struct {
	*httptest.Server
	asked atomic.Int64
	more  chan struct{} // closed to let it go on
}

func newSlowModel(t *testing.T) *slowModel {
	t.Helper()
	m := &slowModel{more: make(chan struct{})}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return // a connection that is opened ahead
		}
		var request struct{ Stream bool }
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		stream := request.Stream
		_, _ = io.Copy(io.Discard, r.Body) // so that the client's end is noticed
		if stream {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"one "}}]}`+"\n\n")
			_ = http.NewResponseController(w).Flush() // the client may be gone
		}
		m.asked.Add(1)
		select {
		case <-m.more:
		case <-r.Context().Done():
			return
		}
		if stream {
			fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"two"}}]}`+"\n\n"+
				`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"choices":[{"index":0,"message":{"role":"assistant","content":"one two"},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(m.Close)
	return m
}

// answer is what came of a query.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (a answer) whole(stream bool) bool {
	return a.err == nil && a.status == http.StatusOK && strings.Contains(a.body, `"answer":"one two"`) &&
		(!stream || strings.HasSuffix(a.body, "data: [DONE]\n\n"))
}

func (p *process) query(t *testing.T, question string, stream bool) answer {
	body := fmt.Sprintf(`{"query": %q, "stream": %v}`, question, stream)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/query", strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(data), err}
}

// crowd begins that many queries, every other one a stream, and returns a
// function that waits for what comes of them.
func (p *process) crowd(t *testing.T, n int) func() []answer {
	answers := make([]answer, n)
	var asking sync.WaitGroup
	for i := range n {
		asking.Go(func() { answers[i] = p.query(t, fmt.Sprintf("question %d", i), i%2 == 0) })
	}
	return func() []answer {
		asking.Wait()
		return answers
	}
}

func (p *process) ready(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.admin+"/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// exit waits for the program to end and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the program has not ended")
	}
	if failed, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return failed.ExitCode()
	} else if p.err != nil {
		t.Fatal(p.err)
	}
	return 0
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// TestSIGTERMInTheMiddleOfStreams tells the program to stop while it answers: it
// turns unready, finishes every answer, those that come in meanwhile too, and ends
// well.
func TestSIGTERMInTheMiddleOfStreams(t *testing.T) {
	model := newSlowModel(t)
	p := start(t, configure(t, "{openAI: {model: m, baseURL: '"+model.URL+"'}, timeout: 30s}", "drainDelay: 1s, drainTimeout: 30s", ""))
	const n = 40
	begun := p.crowd(t, n)
	waitFor(t, "all questions to reach the model", func() bool { return model.asked.Load() == n })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the program to be unready", func() bool { return p.ready(t) == http.StatusServiceUnavailable })
	late := make(chan answer, 1) // of a caller who has not heard yet
	go func() { late <- p.query(t, "a late question", true) }()
	waitFor(t, "the late question to reach the model", func() bool { return model.asked.Load() == n+1 })
	close(model.more)
	for i, a := range begun() {
		if !a.whole(i%2 == 0) {
			t.Errorf("question %d got %d, %v: %s", i, a.status, a.err, a.body)
		}
	}
	if a := <-late; !a.whole(true) {
		t.Errorf("the late question got %d, %v: %s", a.status, a.err, a.body)
	}
	if code := p.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !strings.Contains(p.said(), `"msg":"drained"`) {
		t.Error("the log does not say that the program has drained")
	}
	if a := p.query(t, "too late", false); a.err == nil {
		t.Errorf("an answer after the end: %d", a.status)
	}
}

// TestSIGTERMDoesNotWaitForEver gives the answers less time than they need. What
// is cut off is said in the exit code and on stderr, and no caller is left hanging.
func TestSIGTERMDoesNotWaitForEver(t *testing.T) {
	model := newSlowModel(t)
	p := start(t, configure(t, "{openAI: {model: m, baseURL: '"+model.URL+"'}, timeout: 10m}", "drainDelay: 1ms, drainTimeout: 200ms", ""))
	const n = 10
	begun := p.crowd(t, n)
	waitFor(t, "all questions to reach the model", func() bool { return model.asked.Load() == n })
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(t); code != 1 || !strings.Contains(p.said(), "queries were still in flight after 200ms") {
		t.Errorf("exit code %d, want 1 and why on stderr", code)
	}
	for i, a := range begun() {
		if a.whole(i%2 == 0) || strings.Contains(a.body, "[DONE]") {
			t.Errorf("question %d seems answered: %s", i, a.body)
		}
	}
}

// TestConfigurationFollowsItsFile changes a TTL while the program runs. All else,
// and a file that is wrong, change nothing.
func TestConfigurationFollowsItsFile(t *testing.T) {
	config := configure(t, "{extractive: {}}", "drainDelay: 1ms", "cache: {local: {}, ttl: 1h}\n")
	p := start(t, config)
	tier := func() string { return p.query(t, "What is Redis?", false).header.Get("X-Cache") }
	replace := func(old, fresh string) {
		t.Helper()
		data, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), old) {
			t.Fatalf("%q is not in the configuration", old)
		}
		write(t, config, strings.Replace(string(data), old, fresh, 1))
	}
	if got := []string{tier(), tier()}; !slices.Equal(got, []string{"MISS", "HIT-L1"}) {
		t.Fatalf("X-Cache: got %v", got)
	}
	replace("ttl: 1h", "ttl: 1ns, staleTTL: 1h")
	waitFor(t, "the answer to be stale", func() bool { return tier() == "STALE" })
	replace("ttl: 1ns", "ttl: minus")
	waitFor(t, "the log to say that the file is wrong", func() bool { return strings.Contains(p.said(), "the last good content stays") })
	if got := tier(); got != "STALE" {
		t.Errorf("X-Cache with a wrong file: %s, want STALE as before", got)
	}
	replace("ttl: minus", "ttl: 1h")
	waitFor(t, "answers to be fresh again", func() bool { return tier() == "HIT-L1" })
	if got := p.ready(t); got != http.StatusOK {
		t.Errorf("readyz: %d", got)
	}
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestWrongUse(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	write(t, broken, "version: ragservice/v1\nmodel: {extractive: {}}\nembedding: {lexical: {}}\nvectorStore: {memory: {documents: [/nowhere]}}\ncache: {ttl: -1s}\n")
	tests := []struct {
		name string
		args []string
		want string
	}{
		{name: "no configuration", want: "want --config FILE"},
		{name: "an argument too many", args: []string{"--config", broken, "more"}, want: "want --config FILE and nothing else"},
		{name: "no such file", args: []string{"--config", "nowhere.yaml"}, want: "nowhere.yaml"},
		{name: "a wrong file", args: []string{"--config", broken}, want: "cache.ttl: is -1s"},
		{name: "no such flag", args: []string{"--port", "1"}, want: "not defined: -port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), tt.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
