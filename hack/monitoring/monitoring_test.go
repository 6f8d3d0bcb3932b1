package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"ragops.dev/ragservice/hack/perf/standin"
	"ragops.dev/ragservice/runtime/config"
	"ragops.dev/ragservice/runtime/server"
)

const root = "../.."

// patience is ample for a busy machine.
const patience = 2 * time.Minute

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// eventually waits for a condition, which says what is missing, or "".
func eventually(t *testing.T, missing func() string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		what := missing()
		if what == "" {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatal(what)
		}
	}
}

// get returns the body of a GET, or what went wrong.
func get(url string) (body, problem string) {
	response, err := http.Get(url)
	if err != nil {
		return "", err.Error()
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return "", fmt.Sprintf("%s: status %d, %v\n%s", url, response.StatusCode, err, data)
	}
	return string(data), ""
}

// queryRuntime is a runtime that asks stand-ins.
type queryRuntime struct{ query, admin string }

func startRuntime(t *testing.T) queryRuntime {
	t.Helper()
	standIns := httptest.NewServer(standin.Handler(standin.Options{}))
	t.Cleanup(standIns.Close)
	r := queryRuntime{query: freeAddress(t), admin: freeAddress(t)}
	c, err := config.Parse(fmt.Appendf(nil, `
version: ragservice/v1
server: {queryAddress: %q, adminAddress: %q, drainDelay: 1ms}
model: {openAI: {model: m, baseURL: %[3]q}}
embedding: {openAI: {model: m, baseURL: %[3]q}}
vectorStore: {http: {url: %q}}
cache: {local: {}}
`, r.query, r.admin, standIns.URL+"/v1", standIns.URL+"/query"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{Config: c, Current: func() *config.Config { return c }, Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the runtime ended: %v", err)
		}
	})
	eventually(t, func() string {
		_, problem := get("http://" + r.admin + "/readyz")
		return problem
	})
	return r
}

// ask asks a question twice, so that there is a miss and a hit.
func (r queryRuntime) ask(t *testing.T, n int) {
	t.Helper()
	for range 2 {
		response, err := http.Post("http://"+r.query+"/query", "application/json", strings.NewReader(fmt.Sprintf(`{"query":"question %d"}`, n)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("status %d", response.StatusCode)
		}
	}
}

// startPrometheus scrapes the runtime every second, under the labels that a
// ServiceMonitor gives.
func startPrometheus(t *testing.T, r queryRuntime) (address string) {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is not installed; make test installs Debian's package")
	}
	folder := t.TempDir()
	scrape := fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
- job_name: support
  static_configs:
  - targets: [%q]
    labels: {namespace: shop, service: support, endpoint: admin, pod: support-0}
`, r.admin)
	if err := os.WriteFile(filepath.Join(folder, "prometheus.yml"), []byte(scrape), 0o600); err != nil {
		t.Fatal(err)
	}
	address = freeAddress(t)
	var log strings.Builder
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, "--config.file", filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path", filepath.Join(folder, "data"), "--web.listen-address", address)
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		_ = command.Wait() // It was interrupted.
		if t.Failed() {
			t.Log(log.String())
		}
	})
	eventually(t, func() string {
		_, problem := get("http://" + address + "/-/ready")
		return problem
	})
	return address
}

var expressions = regexp.MustCompile("(?s)```promql\n(.*?)\n```")

// Every expression of the page gives a number, on a service that answers.
func TestExpressionsOfThePage(t *testing.T) {
	found := expressions.FindAllSubmatch(read(t, "docs/monitoring.md"), -1)
	if len(found) < 10 {
		t.Fatalf("docs/monitoring.md has %d expressions, want at least 10", len(found))
	}
	r := startRuntime(t)
	prometheus := startPrometheus(t, r)
	n := 0
	for _, match := range found {
		expression := string(match[1])
		eventually(t, func() string {
			n++
			r.ask(t, n)
			body, problem := get("http://" + prometheus + "/api/v1/query?query=" + url.QueryEscape(expression))
			if problem != "" {
				t.Fatal(problem) // What is no PromQL does not become it.
			}
			var answer struct {
				Data struct{ Result []struct{ Value [2]any } }
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatal(err)
			}
			// A stage that this service does not have is not a number.
			if !slices.ContainsFunc(answer.Data.Result, func(v struct{ Value [2]any }) bool { return v.Value[1] != "NaN" }) {
				return expression + " gives no number: " + body
			}
			return ""
		})
	}
}

// exposed is the type of each metric that the runtime exposes.
func exposed(t *testing.T) map[string]string {
	t.Helper()
	r := startRuntime(t)
	r.ask(t, 1)
	body, problem := get("http://" + r.admin + "/metrics")
	if problem != "" {
		t.Fatal(problem)
	}
	types := map[string]string{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(body, -1) {
		types[match[1]] = match[2]
	}
	// The labels, as "metric label", "metric label=value".
	for _, match := range regexp.MustCompile(`(?m)^(\w+)\{([^}]*)\}`).FindAllStringSubmatch(body, -1) {
		for pair := range strings.SplitSeq(match[2], ",") {
			name, value, _ := strings.Cut(pair, "=")
			types[match[1]+" "+name] = "label"
			types[match[1]+" "+name+"="+strings.Trim(value, `"`)] = "label"
		}
	}
	return types
}

// declared are the metrics that the collector sends, with the labels of each that
// are dimensions.
func declared(t *testing.T) map[string][]string {
	t.Helper()
	var collector struct {
		Spec struct {
			Config struct {
				Exporters struct {
					AWSEMF struct {
						Namespace          string
						MetricDeclarations []struct {
							Dimensions          [][]string
							MetricNameSelectors []string `json:"metric_name_selectors"`
						} `json:"metric_declarations"`
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(read(t, "config/cloudwatch/collector.yaml"), &collector); err != nil {
		t.Fatal(err)
	}
	exporter := collector.Spec.Config.Exporters.AWSEMF
	if exporter.Namespace != "RAGService" || len(exporter.MetricDeclarations) == 0 {
		t.Fatalf("the exporter is %+v", exporter)
	}
	out := map[string][]string{}
	for _, d := range exporter.MetricDeclarations {
		for _, selector := range d.MetricNameSelectors {
			if len(d.Dimensions) != 1 {
				t.Fatalf("%s has %d sets of dimensions; the dashboard expects one", selector, len(d.Dimensions))
			}
			out[strings.Trim(selector, "^$")] = d.Dimensions[0]
		}
	}
	return out
}

// The labels that relabelling adds.
var added = []string{"namespace", "service"}

func TestCollectorSendsWhatIsExposed(t *testing.T) {
	types := exposed(t)
	for name, dimensions := range declared(t) {
		if types[name] == "" {
			t.Errorf("the runtime exposes no metric %s", name)
		}
		for _, d := range dimensions {
			if !slices.Contains(added, d) && types[name+" "+d] == "" {
				t.Errorf("%s has no label %s", name, d)
			}
		}
	}
}

// The dashboard shows what the collector sends, under the dimensions and label
// values that exist, and what Container Insights and load balancers are documented
// to have.
func TestDashboardShowsWhatIsSent(t *testing.T) {
	var dashboard struct {
		Widgets []struct {
			Type       string
			Properties struct {
				Title   string
				Region  string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal(read(t, "config/cloudwatch/dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	types, sent := exposed(t), declared(t)
	others := map[string][]string{
		"pod_cpu_utilization_over_pod_limit":    {"PodName", "ClusterName", "Namespace"},
		"pod_memory_utilization_over_pod_limit": {"PodName", "ClusterName", "Namespace"},
		"TargetResponseTime":                    {"LoadBalancer"},
	}
	shown := 0
	for _, w := range dashboard.Widgets {
		ids := map[string]bool{}
		for _, metric := range w.Properties.Metrics {
			options, _ := metric[len(metric)-1].(map[string]any)
			if id, ok := options["id"].(string); ok {
				ids[id] = true
			}
		}
		for _, metric := range w.Properties.Metrics {
			options, _ := metric[len(metric)-1].(map[string]any)
			if expression, ok := options["expression"].(string); ok {
				for _, id := range regexp.MustCompile(`\b[a-z]\w*`).FindAllString(expression, -1) {
					if !ids[id] {
						t.Errorf("%s: the expression %s names %s, which no metric is called", w.Properties.Title, expression, id)
					}
				}
				continue
			}
			shown++
			var names []string
			for _, v := range metric[:len(metric)-1] {
				names = append(names, v.(string))
			}
			space, name := names[0], names[1]
			var dimensions []string
			for i := 2; i+1 < len(names); i += 2 {
				dimensions = append(dimensions, names[i])
				if space == "RAGService" && !slices.Contains(added, names[i]) && types[name+" "+names[i]+"="+names[i+1]] == "" {
					t.Errorf("%s: no %s has %s=%s", w.Properties.Title, name, names[i], names[i+1])
				}
			}
			want := sent[name]
			if space != "RAGService" {
				want = others[name]
			}
			if len(want) == 0 || !slices.Equal(dimensions, want) {
				t.Errorf("%s: %s/%s is shown by %v, and sent by %v", w.Properties.Title, space, name, dimensions, want)
			}
		}
	}
	if shown < 10 {
		t.Errorf("the dashboard shows %d metrics", shown)
	}
}
