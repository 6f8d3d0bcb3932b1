package usage

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestSummarize(t *testing.T) {
	if got := Summarize(nil); got != nil {
		t.Errorf("no samples gave %+v, want nil", got)
	}
	got := Summarize([]Sample{
		{Cores: 1, MemoryBytes: 100, CoresLimit: 4, MemoryLimitBytes: 1000},
		{Cores: 3, MemoryBytes: 300, CoresLimit: 4, MemoryLimitBytes: 1000},
	})
	want := &Summary{MeanCores: 2, MaxCores: 3, MeanMemoryBytes: 200, MaxMemoryBytes: 300, CoresLimit: 4, MemoryLimitBytes: 1000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if cpu, ok := got.CPUPercent(); !ok || cpu != 50 {
		t.Errorf("CPU is %v %% (%t), want 50 %%", cpu, ok)
	}
	if memory, ok := got.MemoryPercent(); !ok || memory != 30 {
		t.Errorf("memory is %v %% (%t), want 30 %%", memory, ok)
	}
	if _, ok := (&Summary{MeanCores: 1}).CPUPercent(); ok {
		t.Error("without a limit there is a percentage")
	}
}

// A child that spins is seen through its parent, which does nothing.
func TestProcessesCountDescendants(t *testing.T) {
	parent := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done & wait")
	// The group ends as a whole, the child included.
	parent.SysProcAttr = ownGroup()
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endGroup(t, parent) })
	p, err := NewProcesses(parent.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if first, err := p.Sample(t.Context()); err != nil || first != nil {
		t.Fatalf("the first sample is %+v, %v; want none yet", first, err)
	}
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-deadline.C:
			t.Fatal("the child's CPU time was not seen")
		case <-tick.C:
		}
		got, err := p.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.MemoryBytes <= 0 || got.CoresLimit < 1 || got.MemoryLimitBytes < got.MemoryBytes {
			t.Fatalf("the sample is %+v", got)
		}
		if got.Cores > 0.05 {
			return
		}
	}
}

func TestNewProcessesOfNobody(t *testing.T) {
	if _, err := NewProcesses(1 << 30); err == nil || !strings.Contains(err.Error(), "process 1073741824 cannot be measured") {
		t.Errorf("the error is %v", err)
	}
}

func TestProcessNameWithParentheses(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/7", 0o755); err != nil {
		t.Fatal(err)
	}
	line := "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0"
	if err := os.WriteFile(dir+"/7/stat", []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &Processes{pid: 7, proc: dir, ticks: 100}
	got, err := p.stat(7)
	if want := (processStat{parent: 3, cpuSeconds: 3}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestPrometheus(t *testing.T) {
	tests := []struct {
		name    string
		answer  string
		want    *Sample
		wantErr string
	}{
		{name: "values", answer: `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"1.5"]}]}}`, want: &Sample{Cores: 1.5, MemoryBytes: 1}},
		{name: "no series", answer: `{"status":"success","data":{"result":[]}}`, wantErr: "Prometheus has nothing for sum(rate(process_cpu_seconds_total{a=\"b\"}[1m]))"},
		{name: "refused", answer: `{"status":"error","error":"parse error"}`, wantErr: "parse error"},
		{name: "no JSON", answer: `<html>`, wantErr: "Prometheus answered with status 200 and no JSON"},
		{name: "no number", answer: `{"status":"success","data":{"result":[{"value":[1,{}]}]}}`, wantErr: `the value ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/prefix/api/v1/query" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				fmt.Fprint(w, tt.answer)
			}))
			defer server.Close()
			p, err := NewPrometheus(server.URL+"/prefix", `{a="b"}`)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Sample(t.Context())
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
	for _, bad := range [][2]string{{"localhost:9090", ""}, {"http://p", "a=b"}} {
		if _, err := NewPrometheus(bad[0], bad[1]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

// The API server is client-go's fake: the metrics come from another server in
// any case, and their form is that of metrics.k8s.io/v1beta1.
func TestPods(t *testing.T) {
	pod := func(name string, limits corev1.ResourceList) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{"app": "support"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "runtime", Resources: corev1.ResourceRequirements{Limits: limits}}}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning},
		}
	}
	whole := corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("1Gi")}
	const metrics = `{"kind":"PodMetricsList","items":[
		{"metadata":{"name":"a"},"containers":[{"name":"runtime","usage":{"cpu":"500m","memory":"256Mi"}}]},
		{"metadata":{"name":"b"},"containers":[{"name":"runtime","usage":{"cpu":"250000000n","memory":"262144Ki"}}]}]}`
	tests := []struct {
		name    string
		pods    []*corev1.Pod
		metrics string
		want    *Sample
		wantErr string
	}{
		{name: "two with limits", pods: []*corev1.Pod{pod("a", whole), pod("b", whole)}, metrics: metrics,
			want: &Sample{Cores: 0.75, MemoryBytes: 512 << 20, CoresLimit: 4, MemoryLimitBytes: 2 << 30}},
		{name: "one without a limit bounds nothing", pods: []*corev1.Pod{pod("a", whole), pod("b", nil)}, metrics: metrics,
			want: &Sample{Cores: 0.75, MemoryBytes: 512 << 20}},
		{name: "no metrics yet", pods: []*corev1.Pod{pod("a", whole)}, metrics: `{"items":[]}`},
		{name: "no pods", wantErr: `no pod of namespace shop runs that matches "app=support"`},
		{name: "garbage", pods: []*corev1.Pod{pod("a", whole)}, metrics: "<", wantErr: "read the metrics of the pods"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := fake.NewClientset()
			for _, pod := range tt.pods {
				if _, err := client.CoreV1().Pods("shop").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			p := NewPods(client, "shop", "app=support")
			p.metrics = func(context.Context) ([]byte, error) { return []byte(tt.metrics), nil }
			got, err := p.Sample(t.Context())
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("the error is %v, want %q", err, tt.wantErr)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func endGroup(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	// It was killed, and says so.
	_ = cmd.Wait()
}
