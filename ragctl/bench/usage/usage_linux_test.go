package usage

import (
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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
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

// The API server is controller-runtime's fake, with objects of the form of
// metrics.k8s.io/v1beta1.
func TestPods(t *testing.T) {
	podLabels := map[string]string{"app": "support"}
	pod := func(name string, phase corev1.PodPhase, limits corev1.ResourceList) client.Object {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: podLabels},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "runtime", Resources: corev1.ResourceRequirements{Limits: limits}}}},
			Status:     corev1.PodStatus{Phase: phase},
		}
	}
	metrics := func(name, cpu, memory string) client.Object {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
			"containers": []any{map[string]any{"name": "runtime", "usage": map[string]any{"cpu": cpu, "memory": memory}}},
		}}
		object.SetName(name)
		object.SetNamespace("shop")
		object.SetLabels(podLabels)
		return object
	}
	const running = corev1.PodRunning
	whole := corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("1Gi")}
	tests := []struct {
		name    string
		objects []client.Object
		want    *Sample
		wantErr string
	}{
		{name: "two with limits", objects: []client.Object{pod("a", running, whole), pod("b", running, whole), metrics("a", "500m", "256Mi"), metrics("b", "250000000n", "262144Ki")},
			want: &Sample{Cores: 0.75, MemoryBytes: 512 << 20, CoresLimit: 4, MemoryLimitBytes: 2 << 30}},
		{name: "one without a limit bounds nothing", objects: []client.Object{pod("a", running, whole), pod("b", running, nil), metrics("a", "1", "1Mi")},
			want: &Sample{Cores: 1, MemoryBytes: 1 << 20}},
		{name: "one that has ended lends no limit", objects: []client.Object{pod("a", running, whole), pod("b", corev1.PodSucceeded, whole), metrics("a", "1", "1Mi")},
			want: &Sample{Cores: 1, MemoryBytes: 1 << 20, CoresLimit: 2, MemoryLimitBytes: 1 << 30}},
		{name: "no metrics yet", objects: []client.Object{pod("a", running, whole)}},
		{name: "no pods", wantErr: `no pod of namespace shop runs that matches "app=support"`},
		{name: "garbage", objects: []client.Object{pod("a", running, whole), metrics("a", "lots", "1")}, wantErr: "read the metrics of pod a"},
	}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	scheme.AddKnownTypeWithName(schema.GroupVersionKind{Group: "metrics.k8s.io", Version: "v1beta1", Kind: "PodMetrics"}, &unstructured.Unstructured{})
	scheme.AddKnownTypeWithName(schema.GroupVersionKind{Group: "metrics.k8s.io", Version: "v1beta1", Kind: "PodMetricsList"}, &unstructured.UnstructuredList{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewPods(fake.NewClientBuilder().WithScheme(scheme).WithObjects(tt.objects...).Build(), "shop", "app=support")
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
	if _, err := NewPods(nil, "shop", "app in ("); err == nil || !strings.Contains(err.Error(), "is no label selector") {
		t.Errorf("the error is %v", err)
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
