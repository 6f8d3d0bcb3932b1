package scalingtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const root = "../.."

// patience is how long anything may take to happen, on a machine that has more to do.
const patience = 2 * time.Minute

func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("after %s: %v", patience, last)
	}
}

// store is a vector store that answers no question before it is opened.
type store struct {
	url  string
	open func()
}

func slowStore(t *testing.T) store {
	t.Helper()
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
			fmt.Fprint(w, `{"matches": [{"id": "1", "score": 0.9, "metadata": {"text": "It is answered without Redis."}}]}`)
		case <-r.Context().Done():
		}
	}))
	open := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(func() {
		open()
		server.Close()
	})
	return store{url: server.URL + "/query", open: open}
}

// pod is one query runtime, as its own process.
type pod struct{ name, query, admin string }

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// build makes the runtime's binary.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "runtime")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/runtime")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the runtime: %v\n%s", err, output)
	}
	return binary
}

func startPod(t *testing.T, binary, name string, s store) pod {
	t.Helper()
	p := pod{name: name, query: freeAddress(t), admin: freeAddress(t)}
	config := fmt.Sprintf(`version: ragservice/v1
service: {name: support}
server: {queryAddress: %q, adminAddress: %q, drainDelay: 100ms}
model: {extractive: {}, timeout: 5m}
embedding: {lexical: {}}
vectorStore: {http: {url: %q}, timeout: 5m}
`, p.query, p.admin, s.url)
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, binary, "--config", file)
	ready(t, "http://"+p.admin+"/readyz")
	return p
}

// start runs a process until the test ends.
func start(t *testing.T, binary string, arguments ...string) {
	t.Helper()
	var output bytes.Buffer
	command := exec.Command(binary, arguments...) // it is asked to end, below
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil || t.Failed() {
			t.Logf("%s ended: %v\n%s", filepath.Base(binary), err, output.String())
		}
	})
}

func ready(t *testing.T, url string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		_, err := get(ctx, url)
		return err
	})
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", url, response.Status, body.String())
	}
	return body.Bytes(), nil
}

// ask sends questions side by side, and returns what waits for their answers.
func (p pod) ask(t *testing.T, n int) (answered func()) {
	t.Helper()
	var pending sync.WaitGroup
	for i := range n {
		pending.Go(func() {
			body := fmt.Sprintf(`{"query": "What happens without Redis, %d?"}`, i)
			response, err := http.Post("http://"+p.query+"/query", "application/json", strings.NewReader(body)) // it ends with the runtime
			if err != nil {
				t.Errorf("ask %s: %v", p.name, err)
				return
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("ask %s: %s", p.name, response.Status)
			}
		})
	}
	return pending.Wait
}

// startPrometheus scrapes the pods, each with the labels that a ServiceMonitor would
// give it, and returns its URL.
func startPrometheus(t *testing.T, pods ...pod) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is not installed; it is Debian's package prometheus, which make test installs")
	}
	config := "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: support\n  static_configs:\n"
	for _, p := range pods {
		config += fmt.Sprintf("  - {targets: [%q], labels: {namespace: rag, service: support, endpoint: admin, pod: %s}}\n", p.admin, p.name)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	start(t, binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address, "--log.level=warn")
	ready(t, "http://"+address+"/-/ready")
	return "http://" + address
}

// evaluate is the one value of a query, as KEDA takes it; an answer with no or with
// several values is an error.
func evaluate(ctx context.Context, prometheus, query string) (float64, error) {
	body, err := get(ctx, prometheus+"/api/v1/query?query="+url.QueryEscape(query))
	if err != nil {
		return 0, err
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) != 1 {
		return 0, fmt.Errorf("%s has %d values, want one: %s", query, len(answer.Data.Result), body)
	}
	text, ok := answer.Data.Result[0].Value[1].(string)
	if !ok {
		return 0, fmt.Errorf("%s has no value: %s", query, body)
	}
	return strconv.ParseFloat(text, 64)
}
